//! A link that holds its connections back, on a host that is a model.

use super::*;

impl Lab {
    /// So many samples, 200 ms apart, of an upload that has so many tenths of Mbit/s on each of two
    /// links, and so many bytes that wait on the second.
    fn uploads(&mut self, samples: u64, tenths: [u64; 2], unsent: u32, sent: &mut [u64; 2]) {
        for _ in 0..samples {
            self.now = Millis(self.now.0 + 200);
            let mut flows = Vec::new();
            for (at, tenths) in tenths.iter().enumerate() {
                sent[at] += tenths * 2_500;
                flows.push(Flow {
                    token: Some(1),
                    unconfirmed: 9,
                    unsent: if at == 1 { unsent } else { 0 },
                    confirmed: sent[at],
                    ..Flow::between(&format!("10.{}.0.1:40000", at + 1), "10.99.0.1:80")
                });
            }
            self.event(Event::Sampled(Box::new(Sample { flows, ..Sample::default() })));
        }
    }

    fn flagged(&self) -> Vec<String> {
        self.state.endpoints.iter().map(ToString::to_string).collect()
    }
}

#[test]
fn its_endpoint_is_made_anew_as_a_backup_until_the_pause_or_the_daemon_ends() {
    for ends in [false, true] {
        let mut lab = Lab::new(2);
        let before = lab.state.clone();
        let ids = |lab: &Lab| lab.state.endpoints.iter().map(|it| it.id).collect::<Vec<_>>();
        let first = ids(&lab);
        let mut sent = [0; 2];
        lab.uploads(25, [188, 94], 0, &mut sent);
        assert_eq!(lab.state, before, "nothing is wrong");
        lab.uploads(8, [35, 19], 40_000, &mut sent);
        assert_eq!(lab.flagged(), ["10.1.0.1 subflow", "10.2.0.1 subflow backup"]);
        assert_ne!(ids(&lab)[1], first[1], "it is another one");
        let held = lab.daemon.status().held;
        assert_eq!((held.len(), held[0].link.as_str()), (1, "w2"));
        if ends {
            lab.event(Event::Stop);
        } else {
            lab.pass(3_000);
        }
        assert_eq!(lab.flagged(), ["10.1.0.1 subflow", "10.2.0.1 subflow"], "{ends}");
        assert_eq!(lab.state.rules, before.rules);
    }
}
