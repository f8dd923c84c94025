//! Deltas: a body as copies out of another and bytes of its own, in git's format.
//!
//! A small base is indexed at every byte, since documents share only short runs; a large one at every 16th, which finds
//! any run of 31 bytes at a sixteenth of the memory.

use super::Flaw;
use crate::store::IN_MEMORY_LIMIT;

/// The base's and the result's size in bytes, as the head of a delta says, and the head's own length. `delta` may be
/// cut behind its first [`HEAD`] bytes.
pub(crate) fn sizes(delta: &[u8]) -> Result<(u64, u64, usize), Flaw> {
    let mut at = 0;
    let base = number(delta, &mut at)?;
    let result = number(delta, &mut at)?;
    Ok((base, result, at))
}

/// The head of a delta is not longer than this.
pub(crate) const HEAD: usize = 20;

fn number(bytes: &[u8], at: &mut usize) -> Result<u64, Flaw> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = *bytes.get(*at).ok_or(Flaw("a delta is cut short"))?;
        *at += 1;
        let bits = u64::from(byte & 0x7f);
        if shift >= 64 || bits << shift >> shift != bits {
            return Err(Flaw("a delta's size is beyond 64 bits"));
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
        shift += 7;
    }
}

/// One instruction of a delta.
enum Step<'d> {
    Copy(&'d [u8]),
    Insert(&'d [u8]),
}

/// The instruction at the start of `steps`, which moves past it.
#[inline]
fn next_step<'d>(base: &'d [u8], steps: &mut &'d [u8]) -> Result<Step<'d>, Flaw> {
    const CUT: Flaw = Flaw("a delta is cut short");
    let (&code, mut rest) = steps.split_first().ok_or(CUT)?;
    if code == 0 {
        return Err(Flaw("a delta has an unknown instruction"));
    }
    if code & 0x80 == 0 {
        let (bytes, behind) = rest.split_at_checked(usize::from(code)).ok_or(CUT)?;
        *steps = behind;
        return Ok(Step::Insert(bytes));
    }
    let mut digits = |bits: u8| {
        let mut value = 0;
        for place in (0..8).filter(|place| bits >> place & 1 == 1) {
            let (&byte, behind) = rest.split_first().ok_or(CUT)?;
            value |= usize::from(byte) << (8 * place);
            rest = behind;
        }
        Ok(value)
    };
    let start = digits(code & 0x0f)?;
    let size = match digits(code >> 4 & 7)? {
        0 => 0x1_0000,
        size => size,
    };
    *steps = rest;
    let end = start.checked_add(size);
    let copied = end.and_then(|end| base.get(start..end)).ok_or(Flaw("a delta copies from beyond its base"))?;
    Ok(Step::Copy(copied))
}

/// The body that a delta makes from its base.
///
/// Strict: both sizes must be right, and every copy must lie within the base. The instructions are gone through before
/// memory is taken, so a false size costs none.
pub(crate) fn apply(base: &[u8], delta: &[u8]) -> Result<Vec<u8>, Flaw> {
    let (base_size, size, head) = sizes(delta)?;
    if base_size != base.len() as u64 {
        return Err(Flaw("a delta is for a base of another size"));
    }
    if size > IN_MEMORY_LIMIT {
        return Err(Flaw("a delta makes more than is held in memory"));
    }
    let mut made = 0;
    let mut steps = &delta[head..];
    while !steps.is_empty() {
        let (Step::Copy(bytes) | Step::Insert(bytes)) = next_step(base, &mut steps)?;
        made += bytes.len() as u64;
        if made > size {
            break;
        }
    }
    if made != size {
        return Err(Flaw("a delta makes another size than it says"));
    }
    let mut out = Vec::with_capacity(size as usize);
    let mut steps = &delta[head..];
    while !steps.is_empty() {
        let (Step::Copy(bytes) | Step::Insert(bytes)) = next_step(base, &mut steps)?;
        out.extend_from_slice(bytes);
    }
    Ok(out)
}

/// Bases up to this size are indexed at every byte.
const SMALL: usize = 64 << 10;
/// How many places with the same hash are compared; those of one more run alike would cost more than they save.
const CANDIDATES: usize = 16;
/// A match of this length is good enough to end the search.
const LONG: usize = 64;
/// The longest run that one copy can name.
const LONGEST_COPY: usize = 0xff_ffff;
const NONE: u32 = u32::MAX;

/// A base, ready to make deltas against it.
#[derive(Debug)]
pub(crate) struct DeltaIndex<'b> {
    base: &'b [u8],
    /// How many bytes are hashed, and how far apart the hashed places are: 4 and 1, or 16 and 16.
    window: usize,
    step: usize,
    /// By hash: the last place that has it.
    heads: Vec<u32>,
    /// By place: the one before it with the same hash.
    before: Vec<u32>,
    shift: u32,
    /// The shortest run that is copied.
    shortest: usize,
}

impl<'b> DeltaIndex<'b> {
    /// Indexes a base. One that is larger than what is held in memory gets no places, and [`DeltaIndex::make`] makes
    /// nothing of it.
    pub(crate) fn new(base: &'b [u8]) -> DeltaIndex<'b> {
        let reach = if base.len() as u64 <= IN_MEMORY_LIMIT { base.len() } else { 0 };
        let (window, step) = if reach <= SMALL { (4, 1) } else { (16, 16) };
        let places = if reach < window { 0 } else { (reach - window) / step + 1 };
        let bits = places.next_power_of_two().trailing_zeros().max(4);
        let mut index = DeltaIndex {
            base,
            window,
            step,
            heads: vec![NONE; 1 << bits],
            before: vec![NONE; places],
            shift: 64 - bits,
            shortest: 4,
        };
        for place in 0..places {
            let slot = index.slot(&base[place * step..]);
            index.before[place] = std::mem::replace(&mut index.heads[slot], place as u32);
        }
        index
    }

    /// The same, copying no run below this length. The bytes of copies do not compress, and inserted text does: for a
    /// delta that is compressed, a longer run must be copied to be worth it.
    pub(crate) fn for_runs_of(self, shortest: usize) -> DeltaIndex<'b> {
        DeltaIndex { shortest, ..self }
    }

    /// Where the hash of the next bytes leads; there are at least as many as the window has.
    #[inline]
    fn slot(&self, bytes: &[u8]) -> usize {
        const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;
        let hash = if self.window == 4 {
            u64::from(u32::from_le_bytes(*bytes.first_chunk().expect("a window is here"))).wrapping_mul(SPREAD)
        } else {
            let whole = u128::from_le_bytes(*bytes.first_chunk().expect("a window is here"));
            let low = (whole as u64).wrapping_mul(SPREAD);
            (low.rotate_left(31) ^ (whole >> 64) as u64).wrapping_mul(SPREAD)
        };
        (hash >> self.shift) as usize
    }

    /// A delta that makes `target` from the base, of at most `max_len` bytes. `None` when it would be longer, or looks
    /// as if it would.
    pub(crate) fn make(&self, target: &[u8], max_len: usize) -> Option<Vec<u8>> {
        if self.base.len().max(target.len()) as u64 > IN_MEMORY_LIMIT {
            return None;
        }
        let mut out = Vec::with_capacity(max_len.min(target.len() / 2 + 32));
        put_number(&mut out, self.base.len());
        put_number(&mut out, target.len());
        let (mut at, mut copied) = (0, 0);
        // Where the base goes on, if it goes on as the target does.
        let mut along = 0;
        while at + self.window <= target.len() {
            let Some((from, len)) = self.best(target, at, along + (at - copied)) else {
                at += 1;
                if out.len() + (at - copied) > max_len {
                    return None;
                }
                continue;
            };
            let pending = at - copied;
            let back = same_end(&self.base[..from], &target[copied..at]).min(pending);
            put_insert(&mut out, &target[copied..at - back]);
            put_copy(&mut out, from - back, len + back);
            if out.len() > max_len {
                return None;
            }
            at += len;
            (copied, along) = (at, from + len);
        }
        put_insert(&mut out, &target[copied..]);
        (out.len() <= max_len).then_some(out)
    }

    /// The longest run of the base that equals the target from `at` on, if copying it is worth it. `along` is tried
    /// first: where a few bytes were replaced, as an id in a tree, the base goes on there.
    fn best(&self, target: &[u8], at: usize, along: usize) -> Option<(usize, usize)> {
        let wanted = &target[at..];
        let mut best = (0, 0);
        if let Some(rest) = self.base.get(along..) {
            best = (along, same_start(rest, wanted));
        }
        let mut place = if best.1 >= LONG { NONE } else { self.heads[self.slot(wanted)] };
        for _ in 0..CANDIDATES {
            if place == NONE {
                break;
            }
            let from = place as usize * self.step;
            let rest = &self.base[from..];
            // Only what goes further than the best so far needs to be measured.
            if best.1 < rest.len() && best.1 < wanted.len() && rest[best.1] == wanted[best.1] {
                let len = same_start(rest, wanted);
                if len > best.1 {
                    best = (from, len);
                    if len >= LONG {
                        break;
                    }
                }
            }
            place = self.before[place as usize];
        }
        // A copy has two to five bytes, and one more for the insertion that it cuts in two.
        (best.1 >= self.shortest && best.1 > copy_len(best.0, best.1) + 1).then_some(best)
    }
}

/// How many bytes are equal from the start on.
#[inline]
fn same_start(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let mut at = 0;
    while at + 8 <= len {
        let (Some(x), Some(y)) = (a[at..].first_chunk(), b[at..].first_chunk()) else { break };
        let different = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if different != 0 {
            return at + (different.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    at + a[at..len].iter().zip(&b[at..len]).take_while(|(x, y)| x == y).count()
}

/// How many bytes are equal from the end backwards.
fn same_end(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count()
}

fn put_number(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_insert(out: &mut Vec<u8>, bytes: &[u8]) {
    for piece in bytes.chunks(127) {
        out.push(piece.len() as u8);
        out.extend_from_slice(piece);
    }
}

/// How many bytes the instruction takes that copies a run (its first piece, if it is very long).
fn copy_len(from: usize, len: usize) -> usize {
    let digits = |number: usize| number.to_le_bytes().iter().filter(|&&byte| byte != 0).count();
    1 + digits(from) + if len == 0x1_0000 { 0 } else { digits(len.min(LONGEST_COPY)) }
}

fn put_copy(out: &mut Vec<u8>, mut from: usize, mut len: usize) {
    while len > 0 {
        let piece = len.min(LONGEST_COPY);
        let place = out.len();
        out.push(0x80);
        let mut put = |number: usize, bits: std::ops::Range<u32>| {
            for (bit, byte) in bits.zip(number.to_le_bytes()) {
                if byte != 0 {
                    out[place] |= 1 << bit;
                    out.push(byte);
                }
            }
        };
        put(from, 0..4);
        if piece != 0x1_0000 {
            put(piece, 4..7);
        }
        from += piece;
        len -= piece;
    }
}
