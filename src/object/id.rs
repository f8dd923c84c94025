//! Ids: the SHA-256 of an object, with a type for each kind so that kinds do not mix.
//!
//! The typed ids say what an object is expected to be; only reading it proves that. In text an id is 64 hex digits,
//! written in lower case and read in either.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::str::FromStr;

use super::Error;
use super::error::excerpt;

/// The number of hex digits that people get to see.
const SHORT: usize = 12;

/// The id of an object of any kind. Ordered as its bytes, which is the order of its text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id([u8; 32]);

impl Id {
    /// 32 zero bytes: git's way to say "no object"; no object has it.
    pub const ZERO: Id = Id([0; 32]);

    /// The id that is these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Id {
        Id(bytes)
    }

    /// The id's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether this is [`Id::ZERO`].
    pub fn is_zero(&self) -> bool {
        *self == Id::ZERO
    }

    /// The first 12 hex digits, for people; another object may share them.
    pub fn short(&self) -> String {
        format!("{self:.SHORT$}")
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; 64];
        hex::encode_to_slice(self.0, &mut buffer).expect("64 digits hold 32 bytes");
        f.pad(std::str::from_utf8(&buffer).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self:.SHORT$})")
    }
}

impl FromStr for Id {
    type Err = Error;

    /// Reads exactly 64 hex digits; anything else is [`Error::Id`].
    fn from_str(text: &str) -> Result<Id, Error> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Id(bytes)),
            Err(_) => Err(Error::Id(format!("{:?} is not 64 hex digits", excerpt(text)))),
        }
    }
}

/// Values by id.
pub type IdMap<V> = HashMap<Id, V, BuildHasherDefault<IdHasher>>;

/// A set of ids.
pub type IdSet = HashSet<Id, BuildHasherDefault<IdHasher>>;

/// Takes the first 8 bytes of an id for its hash: an id is a hash already. For nothing but ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
    }

    /// The length that stands before the bytes is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Bytes from hex digits, for constants: a digit that is none stops the build.
const fn bytes_of(hex: &[u8; 64]) -> [u8; 32] {
    const fn digit(byte: u8) -> u8 {
        match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => panic!("not a hex digit"),
        }
    }
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < 32 {
        bytes[at] = digit(hex[2 * at]) << 4 | digit(hex[2 * at + 1]);
        at += 1;
    }
    bytes
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(
            /// The id itself.
            pub Id,
        );

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:.1$})"), self.0, SHORT)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<$name, Error> {
                text.parse().map($name)
            }
        }

        impl From<$name> for Id {
            fn from(id: $name) -> Id {
                id.0
            }
        }
    };
}

typed_id! {
    /// The id of a blob.
    ///
    /// ```
    /// use isodb::{BlobId, Id};
    /// fn any(id: Id) -> String { id.to_string() }
    /// assert!(any(BlobId::EMPTY.into()).starts_with("473a0f4c"));
    /// ```
    ///
    /// It is not taken where the id of another kind is wanted:
    ///
    /// ```compile_fail,E0308
    /// use isodb::{BlobId, TreeId};
    /// fn folder(id: TreeId) -> String { id.to_string() }
    /// folder(BlobId::EMPTY);
    /// ```
    BlobId
}

typed_id! {
    /// The id of a tree.
    TreeId
}

typed_id! {
    /// The id of a commit.
    CommitId
}

typed_id! {
    /// The id of an annotated tag.
    TagId
}

impl BlobId {
    /// The blob without bytes.
    pub const EMPTY: BlobId = BlobId(Id(bytes_of(b"473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813")));
}

impl TreeId {
    /// The tree without entries.
    pub const EMPTY: TreeId = TreeId(Id(bytes_of(b"6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321")));
}

/// The first 4 to 64 hex digits of an id, as a person types them. Kept in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(String);

impl Prefix {
    /// Whether the id starts with these digits.
    pub fn matches(&self, id: Id) -> bool {
        let digits = self.0.as_bytes();
        let nibbles = id.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        digits.iter().zip(nibbles).all(|(&digit, nibble)| digit == b"0123456789abcdef"[usize::from(nibble)])
    }

    /// The digits, in lower case.
    pub fn as_hex(&self) -> &str {
        &self.0
    }

    /// The first byte of every id that matches: the name of its folder of loose objects.
    pub fn first_byte(&self) -> u8 {
        u8::from_str_radix(&self.0[..2], 16).expect("a prefix has at least four hex digits")
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Prefix {
    type Err = Error;

    /// Reads 4 to 64 hex digits of either case; anything else is [`Error::Id`].
    fn from_str(text: &str) -> Result<Prefix, Error> {
        if (4..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Prefix(text.to_ascii_lowercase()))
        } else {
            Err(Error::Id(format!("{:?} is not 4 to 64 hex digits", excerpt(text))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Kind, hash};

    const HEX: &str = "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321";

    #[test]
    fn constants_are_what_they_say() {
        assert_eq!(TreeId::EMPTY.0, hash(Kind::Tree, b""));
        assert_eq!(BlobId::EMPTY.0, hash(Kind::Blob, b""));
        assert_eq!(TreeId::EMPTY.to_string(), HEX);
        assert!(Id::ZERO.is_zero() && !TreeId::EMPTY.0.is_zero());
        assert_eq!(Id::ZERO.to_string(), "0".repeat(64));
    }

    #[test]
    fn text_is_read_in_either_case_and_written_in_lower() {
        let id: Id = HEX.to_uppercase().parse().unwrap();
        assert_eq!(id, TreeId::EMPTY.0);
        assert_eq!(id.to_string(), HEX);
        assert_eq!(id.short(), "6ef19b41225c");
        assert_eq!(format!("{id:?}"), "Id(6ef19b41225c)");
        assert_eq!(format!("{:?}", TreeId(id)), "TreeId(6ef19b41225c)");
        assert_eq!(HEX.parse::<CommitId>().unwrap(), CommitId(id));
        assert_eq!(Id::from_bytes(*id.as_bytes()), id);
    }

    #[test]
    fn other_text_is_no_id() {
        for text in
            ["", "6ef1", &HEX[1..], &format!("{HEX}0"), &format!(" {HEX}"), &HEX.replace('f', "g"), &"é".repeat(32)]
        {
            assert!(matches!(text.parse::<Id>(), Err(Error::Id(_))), "{text}");
        }
        let long = "é".repeat(1 << 16).parse::<Id>().unwrap_err().to_string();
        assert!(long.len() < 400, "{long}");
    }

    #[test]
    fn ids_are_hashed_by_their_first_bytes() {
        let id = |n: u8| Id::from_bytes([n; 32]);
        let mut map: IdMap<u8> = (0..=255).map(|n| (id(n), n)).collect();
        assert_eq!((map.len(), map.get(&id(7)), map.get(&id(0))), (256, Some(&7), Some(&0)));
        assert_eq!(map.remove(&id(9)), Some(9));
        let hash = std::hash::BuildHasher::hash_one(map.hasher(), TreeId(id(1)));
        assert_eq!(hash, 0x0101_0101_0101_0101);
        let set: IdSet = map.into_keys().collect();
        assert!(set.contains(&id(8)) && !set.contains(&id(9)));
    }

    #[test]
    fn a_prefix_matches_digit_by_digit() {
        let id = TreeId::EMPTY.0;
        for length in 4..=64 {
            let prefix: Prefix = HEX[..length].to_uppercase().parse().unwrap();
            assert!(prefix.matches(id));
            assert_eq!((prefix.as_hex(), prefix.first_byte()), (&HEX[..length], 0x6e));
            let last = if HEX.as_bytes()[length - 1] == b'0' { '1' } else { '0' };
            let other: Prefix = format!("{}{last}", &HEX[..length - 1]).parse().unwrap();
            assert!(!other.matches(id));
        }
        for text in ["", "6ef", "6efg", "6e f", &format!("{HEX}0"), "ééé"] {
            assert!(matches!(text.parse::<Prefix>(), Err(Error::Id(_))), "{text}");
        }
    }
}
