//! [`LogFile`]: a file of lines that is only appended to, set aside when it is full, and followed when it is moved.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Place, beside};
use super::stats::Counters;
use super::writer::Log;
use crate::error::Said;
use crate::files::{directory_of, leads_to, owners_alone, sync_directory_of};

/// The maximum number of times that a batch is written because its file keeps being replaced.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(super) struct LogFile {
    /// The path as the operator gave it. Links in it are followed again before and after each batch.
    given: PathBuf,
    place: Place,
    max_len: Option<u64>,
    /// The number to try for the next file that is set aside.
    next: u64,
    /// The open file. `None` if a file was set aside and the next one could not be opened yet.
    current: Option<Current>,
    /// Whether the file has lines that are not synchronised.
    unsynced: bool,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Current {
    file: File,
    tail: Tail,
}

impl LogFile {
    pub(super) fn open(path: PathBuf, max_len: Option<u64>, counters: Arc<Counters>) -> io::Result<Self> {
        let place = Place::lock(&path)?;
        let next = last_number(&place.path)? + 1;
        let current = Current::open(&place.path, max_len)?;
        Ok(Self { given: path, place, max_len, next, current: Some(current), unsynced: false, counters })
    }

    /// Opens the file again if the path no longer leads to it.
    fn follow_path(&mut self) -> io::Result<()> {
        match &mut self.current {
            Some(current) if leads_to(&self.given, &current.file) => current.tail.catch_up(&mut current.file),
            _ => self.reopen(),
        }
    }

    /// Writes a batch, into several files if a file becomes full.
    ///
    /// Returns whether each line is in a file that still has its name. If not, the batch must be written again.
    fn write(&mut self, lines: &[Vec<u8>], sync: bool) -> io::Result<bool> {
        let mut rest = lines;
        loop {
            let Some(current) = &mut self.current else { return Ok(false) };
            let (now, later) = rest.split_at(current.tail.fitting(rest, self.max_len));
            if !now.is_empty() {
                self.unsynced = true;
                current.tail.append(&mut current.file, now)?;
            }
            if later.is_empty() {
                break;
            }
            if !self.put_aside()? {
                return Ok(false);
            }
            rest = later;
        }
        if sync {
            self.sync()?;
        }
        // SECURITY: checked after the fsync, so that no line is answered that is in a file without a name.
        let in_place = |current: &Current| leads_to(&self.given, &current.file) && !current.tail.is_cut(&current.file);
        Ok(self.current.as_ref().is_some_and(in_place))
    }

    /// Sets the file aside and begins a new one. Returns false if it was not the file that the path led to.
    fn put_aside(&mut self) -> io::Result<bool> {
        self.sync()?;
        let aside = self.free_name()?;
        let in_place = self.current.as_ref().is_some_and(|current| leads_to(&self.given, &current.file));
        if let Err(error) =
            if in_place { fs::rename(&self.place.path, &aside) } else { Err(ErrorKind::NotFound.into()) }
        {
            let _ = fs::remove_file(&aside); // this file is empty; the first error is the one to return
            return if error.kind() == ErrorKind::NotFound { Ok(false) } else { Err(error) };
        }
        let put_aside = self.current.take().is_some_and(|current| leads_to(&aside, &current.file));
        self.reopen()?;
        Ok(put_aside)
    }

    /// Reserves the next free name with an empty file, so that the rename replaces only that file.
    fn free_name(&mut self) -> io::Result<PathBuf> {
        loop {
            let aside = beside(&self.place.path, &format!(".{:06}", self.next))?;
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

impl Log for LogFile {
    fn append(&mut self, lines: &[Vec<u8>], sync: bool) -> io::Result<()> {
        for _ in 0..ATTEMPTS {
            self.follow_path()?;
            if self.write(lines, sync)? {
                return Ok(());
            }
            Counters::add(&self.counters.written_again, lines.len());
        }
        Err(io::Error::other(Said("the file of the audit trail is replaced again and again")))
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(current) = &self.current {
            Counters::add(&self.counters.fsyncs, 1);
            current.file.sync_data()?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Opens or creates the file that the path leads to now. Keeps the old file open on failure.
    fn reopen(&mut self) -> io::Result<()> {
        // No later sync reaches the lines of the old file.
        if self.unsynced {
            self.sync()?;
        }
        if self.place.follow(&self.given)? {
            self.next = last_number(&self.place.path)? + 1;
        }
        self.current = Some(Current::open(&self.place.path, self.max_len)?);
        Ok(())
    }
}

impl Current {
    fn open(path: &Path, max_len: Option<u64>) -> io::Result<Self> {
        let mut file = owners_alone().read(true).append(true).create(true).open(path)?;
        if max_len.is_some() && !file.metadata()?.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, Said("only a regular file can be put aside")));
        }
        let mut tail = Tail::default();
        tail.catch_up(&mut file)?;
        sync_directory_of(path)?;
        Ok(Self { file, tail })
    }
}

/// The state of the file's end.
#[derive(Debug, Default)]
struct Tail {
    /// The length in bytes as this sink knows it.
    len: u64,
    /// Whether the last line may be incomplete.
    torn: bool,
}

impl Tail {
    /// Notices whether other programs appended to the file or cut it.
    fn catch_up(&mut self, file: &mut File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() != self.len {
            *self = Self { len: metadata.len(), torn: metadata.len() > 0 && last_byte(file)? != b'\n' };
        }
        Ok(())
    }

    /// Returns whether the file is shorter than what was written: another program cut it, perhaps within this batch.
    fn is_cut(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < self.len)
    }

    /// Returns how many of the lines fit into the file. A file's first line always fits.
    fn fitting(&self, lines: &[Vec<u8>], max_len: Option<u64>) -> usize {
        let Some(max_len) = max_len else { return lines.len() };
        let mut len = self.len + u64::from(self.torn);
        let fits = |line: &&Vec<u8>| {
            let first = len == 0;
            len += line.len() as u64;
            first || len <= max_len
        };
        lines.iter().take_while(fits).count()
    }

    /// Appends lines, in one write call if the system takes all of them at once.
    fn append(&mut self, file: &mut impl Write, lines: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(lines.iter().map(Vec::len).sum::<usize>() + 1);
        if self.torn {
            bytes.push(b'\n');
        }
        lines.iter().for_each(|line| bytes.extend_from_slice(line));
        // The line counts as incomplete until everything is written.
        self.torn = true;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.len += written as u64;
                    rest = rest.get(written..).unwrap_or_default();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.torn = false;
        Ok(())
    }
}

/// Returns the highest number under which a file was set aside.
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

    /// A disk with a limited number of free bytes.
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

    fn lines(text: &str) -> Vec<Vec<u8>> {
        text.split_inclusive('\n').map(|line| line.as_bytes().to_vec()).collect()
    }

    #[test]
    fn a_disk_that_was_full_costs_the_batches_that_did_not_fit_and_no_other() {
        let mut disk = Disk { written: Vec::new(), room: 8 };
        let mut tail = Tail::default();
        let mut append = |disk: &mut Disk, text: &str| {
            let appended = tail.append(disk, &lines(text)).map_err(|error| error.kind());
            (appended, tail.len)
        };
        assert_eq!(append(&mut disk, "1st\n"), (Ok(()), 4));
        assert_eq!(append(&mut disk, "2\nthird\n"), (Err(ErrorKind::StorageFull), 8));
        assert_eq!(append(&mut disk, "fourth\n"), (Err(ErrorKind::StorageFull), 8));
        disk.room = 100;
        assert_eq!(append(&mut disk, "5th\n6th\n"), (Ok(()), 17));
        assert_eq!(append(&mut disk, "7th\n"), (Ok(()), 21));
        assert_eq!(disk.written, b"1st\n2\nth\n5th\n6th\n7th\n");
    }

    #[test]
    fn a_file_takes_the_lines_that_fit_and_its_first_one_in_any_case() {
        let fitting = |len, torn, text: &str, max_len| Tail { len, torn }.fitting(&lines(text), max_len);
        assert_eq!(fitting(0, false, "1\n2\n3\n", None), 3);
        assert_eq!(fitting(0, false, "1\n2\n3\n", Some(4)), 2);
        assert_eq!(fitting(0, false, "long\n2\n", Some(4)), 1);
        assert_eq!(fitting(4, false, "1\n", Some(4)), 0);
        assert_eq!(fitting(1, true, "1\n2\n", Some(4)), 1);
        assert_eq!(fitting(1, true, "1\n2\n", Some(3)), 0);
    }
}
