//! The streams of a console in memory.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What a console in memory has written.
#[derive(Debug, Clone, Default)]
pub struct Captured {
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

impl Captured {
    /// What takes the place of stdout and of stderr.
    pub(super) fn writers(&self) -> (Buffer, Buffer) {
        (Buffer(self.out.clone()), Buffer(self.err.clone()))
    }

    /// What went to stdout.
    pub fn out(&self) -> String {
        text_of(&self.out)
    }

    /// What went to stderr.
    pub fn err(&self) -> String {
        text_of(&self.err)
    }
}

fn text_of(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
}

pub(super) struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
