//! The words of ip-mptcp(8) after `endpoint add`, `change` and the like: in any order, `id`,
//! `port`, `dev` and the names of limits also cut short, the last of its kind counts.
//!
//! Pure: what can be wrong on any host is found here (exit 2); what is not so on this host is for
//! the verbs.

use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, Exit};
use mptcpize_model::mptcp::Flags;
use mptcpize_model::net::IfName;

/// An endpoint as far as words describe one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The address.
    pub address: Option<IpAddr>,
    /// The id.
    pub id: Option<u8>,
    /// The port.
    pub port: Option<u16>,
    /// The link.
    pub dev: Option<IfName>,
    /// Flags that are named.
    pub flags: Flags,
    /// Flags that are named with `no`.
    pub without: Flags,
}

/// What `endpoint delete` deletes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The endpoint with this id.
    Id(u8),
    /// The subflows on which connections from this address began: id 0 of ip-mptcp(8).
    First(IpAddr),
    /// The endpoint with this address, and this port and interface where they are named.
    Address {
        /// The address.
        address: IpAddr,
        /// The port.
        port: Option<u16>,
        /// The link.
        dev: Option<IfName>,
    },
}

/// The flags that `change` takes.
const CHANGEABLE: Flags = Flags(Flags::BACKUP.0 | Flags::FULLMESH.0);

impl Words {
    /// Reads words; `what` is the clause of the error, such as `cannot add the endpoint`, and
    /// `usage` its fix.
    fn read(words: &[String], what: &str, usage: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::new(Exit::Usage, what).why(why).fix(usage);
        let mut found = Words::default();
        let mut rest = words.iter().map(String::as_str);
        while let Some(word) = rest.next() {
            if let Some(flag) = flag(word) {
                found.flags = found.flags.with(flag);
                found.without = found.without.without(flag);
            } else if let Some(flag) = word.strip_prefix("no").and_then(flag) {
                if !CHANGEABLE.has(flag) {
                    return Err(wrong(format!("{word:?} is not a word of ip-mptcp(8)")));
                }
                found.without = found.without.with(flag);
                found.flags = found.flags.without(flag);
            } else if is_short_for(word, "id") {
                let id = value(word, rest.next(), "a number from 1 to 255").map_err(wrong)?;
                found.id = Some(id);
            } else if is_short_for(word, "port") {
                let port = value(word, rest.next(), "a number from 1 to 65535").map_err(wrong)?;
                if port == 0 {
                    return Err(wrong(String::from("port is a number from 1 to 65535, not \"0\"")));
                }
                found.port = Some(port);
            } else if is_short_for(word, "dev") {
                let name = rest.next().ok_or_else(|| wrong(missing("dev", "an interface")))?;
                found.dev = Some(IfName::new(name).map_err(wrong)?);
            } else if let Ok(address) = word.parse() {
                found.address = Some(address);
            } else {
                return Err(wrong(format!("{word:?} is neither an address nor a word of it")));
            }
        }
        Ok(found)
    }

    /// The words of `endpoint add`.
    ///
    /// # Errors
    /// 2: a word that is none, no address, or a contradiction.
    pub fn to_add(words: &[String]) -> Result<(Self, IpAddr), Error> {
        let usage = "mptcpize endpoint add ADDRESS [port N] [dev IF] [id N] [FLAG]...";
        let found = Self::read(words, "cannot add the endpoint", usage)?;
        let Some(address) = found.address else {
            return Err(Error::new(Exit::Usage, "cannot add an endpoint")
                .why("the address is missing")
                .fix(usage));
        };
        let wrong =
            |why| Error::new(Exit::Usage, format!("cannot add the endpoint {address}")).why(why);
        if found.without != Flags::default() {
            return Err(wrong("a new endpoint has no flags to take away").fix(usage));
        }
        if found.id == Some(0) {
            return Err(wrong("id 0 stands for the address on which a connection began")
                .fix("an id from 1 to 255, or none: the kernel chooses"));
        }
        if found.flags.has(Flags::SIGNAL.with(Flags::FULLMESH)) {
            return Err(wrong("signal and fullmesh exclude each other")
                .fix("signal on the server, subflow fullmesh on the client"));
        }
        if found.port.is_some() {
            if !found.flags.has(Flags::SIGNAL) {
                return Err(wrong("a port is announced to the peer: it needs the flag signal")
                    .fix("add signal, or leave out port"));
            }
            if found.flags.has(Flags::SUBFLOW) {
                return Err(wrong(
                    "subflows have a port of their own each: port and subflow exclude each other",
                )
                .fix("leave out subflow, or port"));
            }
        }
        Ok((found, address))
    }

    /// The words of `endpoint delete`: the id, and for id 0 the address, as ip-mptcp(8) has it; or the
    /// address alone, with its port or interface.
    ///
    /// # Errors
    /// 2: neither of them, both, or a flag.
    pub fn to_delete(words: &[String]) -> Result<Deleted, Error> {
        let usage = "mptcpize endpoint delete {id N | ADDRESS [port N] [dev IF]}";
        let what = "cannot delete the endpoint";
        let found = Self::read(words, what, usage)?;
        let wrong = |why| Error::new(Exit::Usage, what).why(why);
        let Words { id, address, port, ref dev, flags, without } = found;
        if flags != Flags::default() || without != Flags::default() {
            return Err(wrong("an endpoint is not found by its flags").fix(usage));
        }
        match (id, address) {
            (Some(_), _) if port.is_some() || dev.is_some() => {
                Err(wrong("port and dev go with an address, and not with an id").fix(usage))
            }
            (Some(0), None) => {
                Err(wrong("id 0 stands for the address on which a connection began: which?")
                    .fix("mptcpize endpoint delete id 0 ADDRESS"))
            }
            (Some(0), Some(address)) => Ok(Deleted::First(address)),
            (Some(id), None) => Ok(Deleted::Id(id)),
            (Some(id), Some(address)) => {
                Err(wrong("an address goes with id 0 alone").fix(format!(
                    "mptcpize endpoint delete id {id}    # or: mptcpize endpoint delete {address}"
                )))
            }
            (None, Some(address)) => Ok(Deleted::Address { address, port, dev: dev.clone() }),
            (None, None) => {
                Err(wrong("its id or address is missing").fix("mptcpize endpoint show"))
            }
        }
    }

    /// The words of `endpoint change`.
    ///
    /// # Errors
    /// 2: nothing to find the endpoint by, nothing to change, or what cannot change.
    pub fn to_change(words: &[String]) -> Result<Self, Error> {
        let usage =
            "mptcpize endpoint change {id N | ADDRESS [port N]} {[no]backup | [no]fullmesh}...";
        let what = "cannot change the endpoint";
        let found = Self::read(words, what, usage)?;
        let wrong = |why| Err(Error::new(Exit::Usage, what).why(why).fix(usage));
        match &found {
            Words { id: None, address: None, .. } => wrong("its id or address is missing"),
            Words { id: Some(0), .. } => wrong("no endpoint has id 0"),
            Words { id: Some(_), port: Some(_), .. } => wrong("a port goes with an address"),
            Words { dev: Some(_), .. } => wrong("the interface of an endpoint cannot change"),
            Words { flags, .. } if flags.without(CHANGEABLE) != Flags::default() => {
                wrong("only backup and fullmesh can change")
            }
            Words { flags, without, .. } if flags.with(*without) == Flags::default() => {
                wrong("no change is named")
            }
            _ => Ok(found),
        }
    }

    /// The words of `endpoint show`: an id, or nothing.
    ///
    /// # Errors
    /// 2: anything else.
    pub fn to_show(words: &[String]) -> Result<Option<u8>, Error> {
        let usage = "mptcpize endpoint show [id N]";
        let what = "cannot show the endpoint";
        let found = Self::read(words, what, usage)?;
        if found.id == Some(0) || found != (Words { id: found.id, ..Words::default() }) {
            let error = Error::new(Exit::Usage, what);
            return Err(error.why("only an id from 1 to 255 selects one").fix(usage));
        }
        Ok(found.id)
    }
}

/// The words of `limits set`: subflows and add_addr_accepted.
///
/// # Errors
/// 2: a word that is none, or none at all.
pub fn limits(words: &[String]) -> Result<(Option<u32>, Option<u32>), Error> {
    let usage = "mptcpize limits set [subflows N] [add_addr_accepted N]";
    let wrong = |why: String| Error::new(Exit::Usage, "cannot set the limits").why(why).fix(usage);
    let (mut subflows, mut accepted) = (None, None);
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        let limit = match word {
            _ if is_short_for(word, "subflows") => &mut subflows,
            _ if is_short_for(word, "add_addr_accepted") => &mut accepted,
            _ => return Err(wrong(format!("{word:?} is not a limit"))),
        };
        *limit = Some(value(word, rest.next(), "a number from 0").map_err(wrong)?);
    }
    match (subflows, accepted) {
        (None, None) => Err(wrong(String::from("no limit is named"))),
        both => Ok(both),
    }
}

fn flag(word: &str) -> Option<Flags> {
    Flags::NAMES.iter().find(|(name, _)| *name == word).map(|(_, flag)| *flag)
}

/// ip takes any beginning of these words.
fn is_short_for(word: &str, whole: &str) -> bool {
    !word.is_empty() && whole.starts_with(word)
}

fn value<T: FromStr>(word: &str, value: Option<&str>, form: &str) -> Result<T, String> {
    let Some(value) = value else { return Err(missing(word, form)) };
    value.parse().map_err(|_| format!("{word} is {form}, not {value:?}"))
}

fn missing(word: &str, form: &str) -> String {
    format!("{word} wants {form} after it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn words_come_in_any_order_and_cut_short_as_in_ip() {
        let expected = Words {
            address: "192.0.2.1".parse().ok(),
            id: Some(7),
            port: Some(8080),
            dev: IfName::new("eth0").ok(),
            flags: Flags::SIGNAL,
            without: Flags::default(),
        };
        for text in [
            "192.0.2.1 port 8080 dev eth0 id 7 signal",
            "signal id 7 dev eth0 port 8080 192.0.2.1",
            "id 9 i 7 d eth0 po 8080 signal 192.0.2.9 192.0.2.1",
        ] {
            let (words, address) = Words::to_add(&split(text)).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(words, expected, "{text}");
            assert_eq!(Some(address), expected.address, "{text}");
        }
    }

    #[test]
    fn what_is_deleted_is_named_by_id_or_by_address() {
        let delete = |text| Words::to_delete(&split(text)).unwrap_or_else(|e| panic!("{e}"));
        let address: IpAddr = "192.0.2.1".parse().expect("a literal address");
        assert_eq!(delete("i 7"), Deleted::Id(7));
        assert_eq!(delete("192.0.2.1 id 0"), Deleted::First(address));
        let (port, dev) = (Some(80), IfName::new("e0").ok());
        let expected = Deleted::Address { address, port: None, dev: None };
        assert_eq!(delete("192.0.2.1"), expected);
        let expected = Deleted::Address { address, port, dev };
        assert_eq!(delete("dev e0 192.0.2.1 port 80"), expected);
    }

    #[test]
    fn the_last_of_backup_and_nobackup_counts() {
        let change = |text| Words::to_change(&split(text)).unwrap_or_else(|e| panic!("{e}"));
        let last = change("id 1 backup nobackup fullmesh");
        assert_eq!((last.flags, last.without), (Flags::FULLMESH, Flags::BACKUP));
        let last = change("id 1 nobackup backup");
        assert_eq!((last.flags, last.without), (Flags::BACKUP, Flags::default()));
    }

    #[test]
    fn what_is_wrong_on_any_host_is_wrong_usage() {
        type Reader = fn(&[String]) -> Option<Error>;
        let add: Reader = |words| Words::to_add(words).err();
        let delete: Reader = |words| Words::to_delete(words).err();
        let change: Reader = |words| Words::to_change(words).err();
        let show: Reader = |words| Words::to_show(words).err();
        let set: Reader = |words| limits(words).err();
        let table: &[(Reader, &[&str])] = &[
            (
                add,
                &[
                    "",
                    "signal",
                    "192.0.2.1/24",
                    "localhost",
                    "192.0.2.1 id",
                    "192.0.2.1 id 0",
                    "192.0.2.1 id 256",
                    "192.0.2.1 id x",
                    "192.0.2.1 id -1",
                    "192.0.2.1 port",
                    "192.0.2.1 port 0 signal",
                    "192.0.2.1 port 65536 signal",
                    "192.0.2.1 port 80",
                    "192.0.2.1 port 80 subflow",
                    "192.0.2.1 port 80 signal subflow",
                    "192.0.2.1 dev",
                    "192.0.2.1 dev a/b",
                    "192.0.2.1 dev 0123456789abcdef",
                    "192.0.2.1 signal fullmesh",
                    "192.0.2.1 nobackup",
                    "192.0.2.1 nosignal",
                    "192.0.2.1 subflows",
                    "192.0.2.1 SUBFLOW",
                ],
            ),
            (
                delete,
                &[
                    "",
                    "dev eth0",
                    "id 0",
                    "id 1 192.0.2.1",
                    "id 1 backup",
                    "192.0.2.1 nobackup",
                    "id 1 dev eth0",
                    "id 1 port 80",
                    "id 256",
                ],
            ),
            (
                change,
                &[
                    "",
                    "id 1",
                    "backup",
                    "id 0 backup",
                    "id 1 subflow",
                    "id 1 laminar",
                    "id 1 dev eth0 backup",
                    "id 1 port 80 backup",
                    "192.0.2.1 nosubflow",
                ],
            ),
            (show, &["id", "id 0", "id 256", "192.0.2.1", "id 1 backup", "all"]),
            (
                set,
                &[
                    "",
                    "subflows",
                    "subflows -1",
                    "subflows 4294967296",
                    "endpoints 3",
                    "subflows x",
                ],
            ),
        ];
        for (read, texts) in table {
            for text in *texts {
                let error = read(&split(text)).unwrap_or_else(|| panic!("{text:?} was taken"));
                assert_eq!(error.exit(), Exit::Usage, "{text:?}");
                let error = error.to_string();
                assert!(error.contains("\n  why: ") && error.contains("\n  fix: "), "{error}");
            }
        }
    }
}
