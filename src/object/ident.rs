//! Who and when: `Ann <ann@farm> 1700000000 +0000`.
//!
//! Values can only hold what git can store, so writing one never fails. Reading follows `git fsck --strict` and keeps
//! every byte; making a new one follows `git commit`, which trims names.

use std::fmt;
use std::str::FromStr;

use super::Error;
use super::error::excerpt;
use super::header::decimal;

/// A moment as git stores it: seconds since 1970, never before, and the writer's time zone, which changes nothing about
/// the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    seconds: i64,
    // Kept as text, for "-0000" and "+0000" mean the same and must not become one.
    zone: [u8; 5],
}

impl Time {
    /// That many seconds after 1970-01-01 in UTC, with the zone `+0000`. [`Error::Ident`] where negative.
    pub fn utc(seconds: i64) -> Result<Time, Error> {
        if seconds < 0 {
            return Err(wrong("the time is before 1970"));
        }
        Ok(Time { seconds, zone: *b"+0000" })
    }

    /// Seconds since 1970-01-01 in UTC, 0 or more.
    pub fn seconds(&self) -> i64 {
        self.seconds
    }

    /// The zone as stored: a sign and four digits, such as `-0130`. The digits need not make sense.
    pub fn zone(&self) -> &str {
        std::str::from_utf8(&self.zone).expect("a sign and four digits are ASCII")
    }

    /// The zone in minutes east of UTC: -90 for `-0130`.
    pub fn offset_minutes(&self) -> i16 {
        let digit = |at: usize| i16::from(self.zone[at] - b'0');
        let minutes = (digit(1) * 10 + digit(2)) * 60 + digit(3) * 10 + digit(4);
        if self.zone[0] == b'-' { -minutes } else { minutes }
    }

    /// Reads `1700000000 +0000`.
    fn parse(bytes: &[u8]) -> Result<Time, Error> {
        let space = bytes.iter().position(|&byte| byte == b' ').ok_or_else(|| wrong("there is no time zone"))?;
        let seconds = decimal(&bytes[..space]).and_then(|seconds| i64::try_from(seconds).ok());
        let seconds = seconds.ok_or_else(|| wrong("the time is not a number of seconds"))?;
        match <[u8; 5]>::try_from(&bytes[space + 1..]) {
            Ok(zone @ [b'+' | b'-', digits @ ..]) if digits.iter().all(u8::is_ascii_digit) => {
                Ok(Time { seconds, zone })
            }
            _ => Err(wrong("the time zone is not a sign and four digits")),
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seconds, self.zone())
    }
}

/// A name and an e-mail address, as a person gives them: `Ann <ann@farm>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Person {
    name: String,
    email: String,
}

impl Person {
    /// A person of this name and e-mail address, both trimmed at the ends of what git trims: spaces, control characters
    /// and `, : ; < > " \ '`.
    ///
    /// [`Error::Ident`] where the name is empty then, or where either holds `<`, `>`, a line feed or NUL. The address
    /// may be empty, and need not look like one.
    pub fn new(name: &str, email: &str) -> Result<Person, Error> {
        let (name, email) = (trimmed(name), trimmed(email));
        if name.is_empty() {
            return Err(wrong("the name is empty"));
        }
        for text in [name, email] {
            if text.contains(['<', '>', '\n', '\0']) {
                return Err(wrong(&format!("{:?} holds '<', '>', a line feed or NUL", excerpt(text))));
            }
        }
        Ok(Person { name: name.to_owned(), email: email.to_owned() })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address, without the brackets.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The person at a moment, in seconds since 1970, with the zone `+0000`. [`Error::Ident`] where it is negative.
    pub fn at(&self, seconds: i64) -> Result<Ident, Error> {
        Ok(Ident { person: self.clone(), time: Time::utc(seconds)? })
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

impl FromStr for Person {
    type Err = Error;

    /// Reads `Name <email>`, and trims and refuses as [`Person::new`].
    fn from_str(text: &str) -> Result<Person, Error> {
        let parts = text.trim().strip_suffix('>').and_then(|text| text.split_once('<'));
        let (name, email) = parts.ok_or_else(|| wrong(&format!("{:?} is not \"Name <email>\"", excerpt(text))))?;
        Person::new(name, email)
    }
}

/// A person at a moment, as commits and tags hold them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    person: Person,
    time: Time,
}

impl Ident {
    /// A person at a moment in seconds since 1970, with the zone `+0000`. Trims and refuses as [`Person::new`].
    pub fn new(name: &str, email: &str, seconds: i64) -> Result<Ident, Error> {
        Person::new(name, email)?.at(seconds)
    }

    /// Reads a stored one, without the line feed: UTF-8, `name <email> seconds zone`, each part as
    /// `git fsck --strict` wants it. Nothing is trimmed, and the name may be empty. Else [`Error::Ident`].
    pub fn parse(bytes: &[u8]) -> Result<Ident, Error> {
        let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
        let (name, rest) = text.split_once('<').ok_or_else(|| wrong("there is no e-mail address"))?;
        let (email, time) = rest.split_once('>').ok_or_else(|| wrong("the e-mail address has no end"))?;
        let name = name.strip_suffix(' ').ok_or_else(|| wrong("there is no space before the e-mail address"))?;
        let time = time.strip_prefix(' ').ok_or_else(|| wrong("there is no space after the e-mail address"))?;
        let forbidden = ['<', '>', '\n', '\0'];
        if name.contains(forbidden) || email.contains(forbidden) {
            return Err(wrong("the name or the e-mail address holds '<', '>', a line feed or NUL"));
        }
        let person = Person { name: name.to_owned(), email: email.to_owned() };
        Ok(Ident { person, time: Time::parse(time.as_bytes())? })
    }

    /// The name; empty in some commits that others have written.
    pub fn name(&self) -> &str {
        &self.person.name
    }

    /// The e-mail address, without the brackets.
    pub fn email(&self) -> &str {
        &self.person.email
    }

    /// The person without the moment.
    pub fn person(&self) -> &Person {
        &self.person
    }

    /// The moment.
    pub fn time(&self) -> Time {
        self.time
    }

    /// The moment in seconds since 1970-01-01 in UTC.
    pub fn seconds(&self) -> i64 {
        self.time.seconds
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.person, self.time)
    }
}

/// What git's `crud` says; bytes above ASCII are none.
fn is_crud(c: char) -> bool {
    c <= ' ' || matches!(c, ',' | ':' | ';' | '<' | '>' | '"' | '\\' | '\'')
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(is_crud)
}

fn wrong(reason: &str) -> Error {
    Error::Ident(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stored_ones_keep_every_byte() {
        for text in [
            "Ann <ann@farm> 1700000000 +0000",
            "Ann B. \"C\" <ann@farm> 0 -0130",
            " Ann  <a b> 9223372036854775807 -0000",
            " <ann@farm> 1 +9999",
            " <> 1 +0000",
            "Zoë\r\u{1b} <é@ü> 1 +0000",
        ] {
            let ident = Ident::parse(text.as_bytes()).unwrap();
            assert_eq!(ident.to_string(), text);
        }
        let ident = Ident::parse(b"Ann <ann@farm> 1700000000 -0130").unwrap();
        assert_eq!((ident.name(), ident.email(), ident.seconds()), ("Ann", "ann@farm", 1_700_000_000));
        assert_eq!((ident.time().zone(), ident.time().offset_minutes()), ("-0130", -90));
        assert_eq!(Ident::parse(b"A <a> 1 +9999").unwrap().time().offset_minutes(), 99 * 60 + 99);
    }

    #[test]
    fn malformed_ones_are_refused() {
        for text in [
            "",
            "Ann",
            "<ann@farm> 1 +0000",
            "Ann<ann@farm> 1 +0000",
            "Ann <ann@farm>1 +0000",
            "Ann <ann@farm 1 +0000",
            "Ann ann@farm> 1 +0000",
            "A>n <ann@farm> 1 +0000",
            "Ann <a<n@farm> 1 +0000",
            "Ann <ann@farm> 01 +0000",
            "Ann <ann@farm>  1 +0000",
            "Ann <ann@farm> -1 +0000",
            "Ann <ann@farm> +1 +0000",
            "Ann <ann@farm> 9223372036854775808 +0000",
            "Ann <ann@farm> 99999999999999999999 +0000",
            "Ann <ann@farm> 1",
            "Ann <ann@farm> 1 ",
            "Ann <ann@farm> 1 0000",
            "Ann <ann@farm> 1 +000",
            "Ann <ann@farm> 1 +00000",
            "Ann <ann@farm> 1 +0x00",
            "Ann <ann@farm> 1 +0000 ",
            "An\nn <ann@farm> 1 +0000",
            "An\0n <ann@farm> 1 +0000",
        ] {
            assert!(matches!(Ident::parse(text.as_bytes()), Err(Error::Ident(_))), "{text:?}");
        }
        assert!(Ident::parse(b"Andr\xe9 <a@b> 1 +0000").is_err());
    }

    #[test]
    fn new_ones_are_trimmed_as_git_does() {
        let new = |name, email| Ident::new(name, email, 7).unwrap().to_string();
        assert_eq!(new("  \"x\", y:;", " <e@x>; "), "x\", y <e@x> 7 +0000");
        assert_eq!(new(".Jr.\n", ""), ".Jr. <> 7 +0000");
        for (name, email) in [("", "e"), (" <> ", "e"), ("a<b", "e"), ("a\nb", "e"), ("a\0b", "e"), ("a", "e>e")] {
            assert!(matches!(Ident::new(name, email, 7), Err(Error::Ident(_))), "{name:?} {email:?}");
        }
        assert!(Ident::new("a", "e", -1).is_err());
    }

    #[test]
    fn people_are_read_from_options() {
        let ann: Person = " Ann B <ann@farm> ".parse().unwrap();
        assert_eq!((ann.name(), ann.email(), ann.to_string().as_str()), ("Ann B", "ann@farm", "Ann B <ann@farm>"));
        assert_eq!(ann.at(7).unwrap(), Ident::new("Ann B", "ann@farm", 7).unwrap());
        for text in ["", "Ann", "Ann ann@farm", "<ann@farm>", "Ann <ann@farm", "Ann <a> <b>", "Ann <a> b"] {
            assert!(matches!(text.parse::<Person>(), Err(Error::Ident(_))), "{text}");
        }
    }

    proptest! {
        #[test]
        fn new_ones_round_trip(name: String, email: String, seconds in 0i64..) {
            if let Ok(ident) = Ident::new(&name, &email, seconds) {
                prop_assert_eq!(Ident::parse(ident.to_string().as_bytes()).unwrap(), ident);
            }
        }

        #[test]
        fn accepted_ones_are_written_back(
            text in "[aé <>\n\0]{0,6} ?<[a <>]{0,4}> ?[ +-]?[0-9]{0,20} [+-]?[0-9]{3,5}",
        ) {
            if let Ok(ident) = Ident::parse(text.as_bytes()) {
                prop_assert_eq!(ident.to_string(), text);
            }
        }
    }
}
