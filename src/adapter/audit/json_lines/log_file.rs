//! A file of lines that only grows, is put aside when it is long enough, and is followed where it is moved.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Place, beside};
use super::stats::Counters;
use super::writer::Log;
use crate::error::Said;
use crate::files::{directory_of, leads_to, owners_alone, sync_directory_of};

/// How many times a batch is written again because its file was replaced meanwhile.
const ATTEMPTS: usize = 8;

#[derive(Debug)]
pub(super) struct LogFile {
    /// As the operator gave it: links in it are followed again before and after each batch.
    given: PathBuf,
    place: Place,
    max_len: Option<u64>,
    /// The number that the next file to be put aside is tried under.
    next: u64,
    /// `None` between a file that was put aside and the next one, where that could not be opened yet.
    current: Option<Current>,
    /// The file has lines that were not synchronised.
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

    /// Opens the file again where the path no longer leads to it.
    fn follow_path(&mut self) -> io::Result<()> {
        match &mut self.current {
            Some(current) if leads_to(&self.given, &current.file) => current.tail.catch_up(&mut current.file),
            _ => self.reopen(),
        }
    }

    /// Writes a batch to where it belongs, in several files if one is long enough before its end.
    ///
    /// Gives whether each line is in a file that has its name still. Where it is not, the batch has to be written
    /// again.
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
        // SECURITY: looked at after the fsync, so that no line is answered for that is in a file without a name.
        let in_place = |current: &Current| leads_to(&self.given, &current.file) && !current.tail.is_cut(&current.file);
        Ok(self.current.as_ref().is_some_and(in_place))
    }

    /// Puts the file aside and begins a new one. Gives false where it was not the file that the path led to.
    fn put_aside(&mut self) -> io::Result<bool> {
        self.sync()?;
        let aside = self.free_name()?;
        let in_place = self.current.as_ref().is_some_and(|current| leads_to(&self.given, &current.file));
        if let Err(error) =
            if in_place { fs::rename(&self.place.path, &aside) } else { Err(ErrorKind::NotFound.into()) }
        {
            let _ = fs::remove_file(&aside); // it is empty, and the first error is the one to tell
            return if error.kind() == ErrorKind::NotFound { Ok(false) } else { Err(error) };
        }
        let put_aside = self.current.take().is_some_and(|current| leads_to(&aside, &current.file));
        self.reopen()?;
        Ok(put_aside)
    }

    /// Takes the next name that is free, with an empty file: renaming replaces that one and no other.
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

    /// Opens the file that the path leads to now, or makes it. The old file stays open where that fails.
    fn reopen(&mut self) -> io::Result<()> {
        // The lines of the old file are out of reach of every later sync.
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

/// The end of the file.
#[derive(Debug, Default)]
struct Tail {
    /// The length in bytes, as far as this sink knows it.
    len: u64,
    /// The last line may lack its end.
    torn: bool,
}

impl Tail {
    /// Looks at what other programs did to the file: appended to it, or cut it.
    fn catch_up(&mut self, file: &mut File) -> io::Result<()> {
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() != self.len {
            *self = Self { len: metadata.len(), torn: metadata.len() > 0 && last_byte(file)? != b'\n' };
        }
        Ok(())
    }

    /// Whether the file is shorter than what was written to it: another program cut it, perhaps with lines of the
    /// batch.
    fn is_cut(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() < self.len)
    }

    /// How many of the lines the file may take. The first line of a file may be longer than it.
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

    /// Appends lines, with one call of write where the system takes all of them at once.
    fn append(&mut self, file: &mut impl Write, lines: &[Vec<u8>]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(lines.iter().map(Vec::len).sum::<usize>() + 1);
        if self.torn {
            bytes.push(b'\n');
        }
        lines.iter().for_each(|line| bytes.extend_from_slice(line));
        // Until all of it is known to be there.
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
