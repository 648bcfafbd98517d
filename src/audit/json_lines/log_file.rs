//! A file that only grows, and is put aside when it is long enough.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Said;
use crate::files::{directory_of, owners_alone, sync_directory_of};
use crate::keys::file_lock::Lock;

#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    max_len: Option<u64>,
    /// The number that the next file to be put aside is tried under.
    next: u64,
    /// None between a file that was put aside and the next one, where that could not be opened yet.
    current: Option<Current>,
    /// How many lines were written.
    lines: u64,
    /// The last line that a failed fsync was for.
    lost_through: u64,
    /// Locked for as long as it is open. A file of its own, as the other one changes.
    _lock: Lock,
}

#[derive(Debug)]
struct Current {
    file: Arc<File>,
    tail: Tail,
}

impl LogFile {
    pub(super) fn open(path: &Path, max_len: Option<u64>) -> io::Result<Self> {
        let path = resolved(path)?;
        let lock = locked(&path)?;
        let current = Current::open(&path)?;
        if max_len.is_some() && !current.file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, Said("only a regular file can be put aside")));
        }
        let next = last_number(&path)? + 1;
        Ok(Self { path, max_len, next, current: Some(current), lines: 0, lost_through: 0, _lock: lock })
    }

    /// Appends a line, and gives its number.
    ///
    /// # Errors
    ///
    /// Nothing of it was written, or a part of it.
    pub(super) fn append(&mut self, line: Vec<u8>) -> io::Result<u64> {
        if let Some(max_len) = self.max_len
            && self.current.as_ref().is_some_and(|current| current.tail.is_full(&line, max_len))
        {
            self.put_aside()?;
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(Current::open(&self.path)?),
        };
        current.tail.append(&mut &*current.file, line)?;
        self.lines += 1;
        Ok(self.lines)
    }

    /// The file, and how many lines were written to it and to those before it.
    pub(super) fn written(&self) -> (Option<Arc<File>>, u64) {
        (self.current.as_ref().map(|current| current.file.clone()), self.lines)
    }

    pub(super) fn lost_through(&self) -> u64 {
        self.lost_through
    }

    /// An fsync for all lines up to this one failed.
    pub(super) fn lost(&mut self, lines: u64) {
        self.lost_through = self.lost_through.max(lines);
    }

    fn put_aside(&mut self) -> io::Result<()> {
        let (Some(file), lines) = self.written() else { return Ok(()) };
        file.sync_data().inspect_err(|_| self.lost(lines))?;
        let aside = self.free_name()?;
        match fs::rename(&self.path, &aside) {
            Ok(()) => {}
            Err(error) => {
                let _ = fs::remove_file(&aside); // it is empty, and the first error is the one to tell
                // Somebody else has put the file aside: go on with a new one.
                if error.kind() != ErrorKind::NotFound {
                    return Err(error);
                }
            }
        }
        self.current = None;
        Ok(())
    }

    /// Takes the next name that is free, with an empty file: renaming replaces that one and no other.
    fn free_name(&mut self) -> io::Result<PathBuf> {
        loop {
            let aside = beside(&self.path, &format!(".{:06}", self.next))?;
            match owners_alone().write(true).create_new(true).open(&aside) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                taken => {
                    self.next += 1;
                    if taken.is_ok() {
                        return Ok(aside);
                    }
                }
            }
        }
    }
}

impl Current {
    fn open(path: &Path) -> io::Result<Self> {
        let mut file = owners_alone().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        let mut tail = Tail { len: 0, torn: false };
        if metadata.is_file() {
            tail = Tail { len: metadata.len(), torn: metadata.len() > 0 && last_byte(&mut file)? != b'\n' };
        }
        sync_directory_of(path)?;
        Ok(Self { file: Arc::new(file), tail })
    }
}

/// The end of the file.
#[derive(Debug)]
struct Tail {
    len: u64,
    /// The last line may lack its end.
    torn: bool,
}

impl Tail {
    fn is_full(&self, line: &[u8], max_len: u64) -> bool {
        let len = self.len + u64::from(self.torn) + line.len() as u64;
        self.len > 0 && len > max_len
    }

    /// Appends a line with one call of write.
    fn append(&mut self, file: &mut impl Write, mut line: Vec<u8>) -> io::Result<()> {
        if self.torn {
            line.insert(0, b'\n');
        }
        // Until it is known to be there as a whole.
        self.torn = true;
        let written = loop {
            match file.write(&line) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        self.len += written as u64;
        if written < line.len() {
            return Err(io::Error::new(ErrorKind::WriteZero, Said("only a part of the line could be written")));
        }
        self.torn = false;
        Ok(())
    }
}

/// Where the file really is: a link is followed once, so that it is not the link that is put aside.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return fs::canonicalize(path);
    }
    let name = path.file_name().ok_or(ErrorKind::InvalidInput)?;
    Ok(fs::canonicalize(directory_of(path))?.join(name))
}

fn locked(path: &Path) -> io::Result<Lock> {
    const HELD: &str = "another process has it open, or this one has it open twice";
    Lock::unless_held(&beside(path, ".lock")?)?.ok_or(io::Error::new(ErrorKind::ResourceBusy, Said(HELD)))
}

/// The highest number under which a file was put aside.
fn last_number(path: &Path) -> io::Result<u64> {
    let name = beside(path, ".")?;
    let prefix = name.file_name().unwrap_or_default().as_encoded_bytes();
    let mut last = 0;
    for entry in fs::read_dir(directory_of(path))? {
        let name = entry?.file_name();
        let number =
            name.as_encoded_bytes().strip_prefix(prefix).filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let number =
            number.and_then(|digits| str::from_utf8(digits).ok()).and_then(|digits| digits.parse::<u32>().ok());
        last = last.max(number.map_or(0, u64::from));
    }
    Ok(last)
}

fn beside(path: &Path, suffix: &str) -> io::Result<PathBuf> {
    let mut name: OsString = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    name.push(suffix);
    Ok(path.with_file_name(name))
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    /// A disk with so many bytes of room.
    struct Disk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            if self.room == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let len = line.len().min(self.room);
            self.written.extend_from_slice(&line[..len]);
            self.room -= len;
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_was_full_costs_the_lines_that_did_not_fit_and_no_other() {
        let mut disk = Disk { written: Vec::new(), room: 8 };
        let mut tail = Tail { len: 0, torn: false };
        let mut append = |disk: &mut Disk, line: &str| {
            let appended = tail.append(disk, line.as_bytes().to_vec()).map_err(|error| error.kind());
            (appended, tail.len)
        };
        assert_eq!(append(&mut disk, "first\n"), (Ok(()), 6));
        assert_eq!(append(&mut disk, "second\n"), (Err(ErrorKind::WriteZero), 8));
        assert_eq!(append(&mut disk, "third\n"), (Err(ErrorKind::StorageFull), 8));
        disk.room = 100;
        assert_eq!(append(&mut disk, "fourth\n"), (Ok(()), 16));
        assert_eq!(append(&mut disk, "fifth\n"), (Ok(()), 22));
        assert_eq!(disk.written, b"first\nse\nfourth\nfifth\n");
    }
}
