//! A minimal decompressor (RFC 1950 and 1951), enough to unpack a test vector.

/// What a zlib stream holds. Panics on anything that is no zlib stream: it only ever reads vectors.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let (body, adler) = bytes[2..].split_at(bytes.len() - 6);
    let unpacked = Bits { bytes: body, at: 0 }.inflate();
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in &unpacked {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    assert_eq!(adler, ((b << 16) | a).to_be_bytes(), "the checksum of a zlib stream");
    unpacked
}

struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

/// Codes by length: how many there are of each length, and their symbols in order.
struct Codes {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for (len, count) in counts.iter_mut().enumerate().skip(1) {
            let before = symbols.len();
            symbols.extend((0..lengths.len()).filter(|symbol| lengths[*symbol] == len));
            *count = symbols.len() - before;
        }
        Self { counts, symbols }
    }
}

const LENGTH_BASE: [usize; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_EXTRA: [u32; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASE: [usize; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
];
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Bits<'_> {
    fn bit(&mut self) -> usize {
        let bit = self.bytes[self.at / 8] >> (self.at % 8) & 1;
        self.at += 1;
        usize::from(bit)
    }

    fn take(&mut self, n: u32) -> usize {
        (0..n).fold(0, |value, i| value | self.bit() << i)
    }

    fn symbol(&mut self, codes: &Codes) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &codes.counts[1..] {
            code |= self.bit();
            if code < first + count {
                return codes.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        panic!("a code that stands for nothing")
    }

    fn inflate(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let last = self.bit() == 1;
            match self.take(2) {
                0 => self.stored(&mut out),
                1 => {
                    let lengths: Vec<usize> = [(8, 144), (9, 112), (7, 24), (8, 8)]
                        .iter()
                        .flat_map(|(len, n)| std::iter::repeat_n(*len, *n))
                        .collect();
                    self.compressed(&mut out, &Codes::new(&lengths), &Codes::new(&[5; 30]));
                }
                2 => {
                    let (literals, distances) = self.dynamic();
                    self.compressed(&mut out, &literals, &distances);
                }
                _ => panic!("a kind of block that there is not"),
            }
            if last {
                return out;
            }
        }
    }

    fn stored(&mut self, out: &mut Vec<u8>) {
        self.at = self.at.next_multiple_of(8);
        let len = self.take(16);
        assert_eq!(self.take(16), len ^ 0xFFFF);
        let start = self.at / 8;
        out.extend_from_slice(&self.bytes[start..start + len]);
        self.at += 8 * len;
    }

    fn dynamic(&mut self) -> (Codes, Codes) {
        let (literals, distances, n) = (self.take(5) + 257, self.take(5) + 1, self.take(4) + 4);
        let mut lengths = [0; 19];
        for place in &ORDER[..n] {
            lengths[*place] = self.take(3);
        }
        let codes = Codes::new(&lengths);
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let (len, times) = match self.symbol(&codes) {
                16 => (*lengths.last().expect("a length to repeat"), 3 + self.take(2)),
                17 => (0, 3 + self.take(3)),
                18 => (0, 11 + self.take(7)),
                len => (len, 1),
            };
            lengths.extend(std::iter::repeat_n(len, times));
        }
        (Codes::new(&lengths[..literals]), Codes::new(&lengths[literals..]))
    }

    fn compressed(&mut self, out: &mut Vec<u8>, literals: &Codes, distances: &Codes) {
        loop {
            match self.symbol(literals) {
                256 => return,
                literal @ 0..256 => out.push(literal as u8),
                length => {
                    let len = LENGTH_BASE[length - 257] + self.take(LENGTH_EXTRA[length - 257]);
                    let distance = self.symbol(distances);
                    let extra = (distance as u32 / 2).saturating_sub(1);
                    let distance = DISTANCE_BASE[distance] + self.take(extra);
                    for _ in 0..len {
                        out.push(out[out.len() - distance]);
                    }
                }
            }
        }
    }
}
