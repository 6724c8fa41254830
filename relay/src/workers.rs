//! The threads that carry connections: an event loop each, and every connection stays with one, so that
//! nothing is handed from processor to processor while bytes move.

use std::future::pending;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

/// Event loops, the caller's own first.
#[derive(Debug)]
pub struct Workers {
    handles: Vec<Handle>,
    next: AtomicUsize,
}

impl Workers {
    /// As many as there are processors, `own` among them.
    ///
    /// # Errors
    /// No thread or no descriptor is left.
    pub fn start(own: &Handle) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let mut handles = vec![own.clone()];
        for number in 1..processors {
            let (send, receive) = mpsc::channel();
            thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                let runtime = event_loop();
                let handle = runtime.as_ref().map(|runtime| runtime.handle().clone());
                let _ = send.send(handle.map_err(|error| error.kind()));
                if let Ok(runtime) = runtime {
                    runtime.block_on(pending::<()>());
                }
            })?;
            let started = receive.recv().map_err(|_| io::Error::from(io::ErrorKind::Other))?;
            handles.push(started?);
        }
        Ok(Workers { handles, next: AtomicUsize::new(0) })
    }

    /// The event loop for the next connection.
    pub fn next(&self) -> Option<&Handle> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        self.handles.get(next.checked_rem(self.handles.len())?)
    }
}

/// An event loop for one thread.
///
/// # Errors
/// No descriptor is left.
pub fn event_loop() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}
