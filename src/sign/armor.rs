//! Armor: base64 in lines of one length, between a line that begins it and one that ends it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// How many characters OpenSSH puts on a line.
const WIDTH: usize = 70;

/// Appends the armor of some bytes, without a line feed at its end.
pub(super) fn write(out: &mut String, label: &str, bytes: &[u8]) {
    let base64 = Zeroizing::new(STANDARD.encode(bytes));
    // All room is made at once: the bytes may be secret, and growing would leave copies behind.
    out.reserve(base64.len() + base64.len() / WIDTH + 2 * label.len() + 40);
    for part in ["-----BEGIN ", label, "-----\n"] {
        out.push_str(part);
    }
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(WIDTH));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    for part in ["-----END ", label, "-----"] {
        out.push_str(part);
    }
}

/// The bytes in an armor, of which nothing may be missing and to which nothing may be added. Lines may have any length,
/// but all of them one, save the last, which may be shorter.
pub(super) fn read(armor: &[u8], label: &str) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let begin = format!("-----BEGIN {label}-----\n");
    let end = format!("\n-----END {label}-----");
    let lines = armor.strip_prefix(begin.as_bytes()).and_then(|rest| rest.strip_suffix(end.as_bytes()));
    let lines = lines.ok_or("it does not begin and end as one")?;
    let width = lines.iter().position(|&byte| byte == b'\n').unwrap_or(lines.len());
    let mut base64 = Zeroizing::new(Vec::with_capacity(lines.len()));
    let mut is_last = false;
    for line in lines.split(|&byte| byte == b'\n') {
        if is_last || line.is_empty() || line.len() > width {
            return Err("its lines are not of one length");
        }
        is_last = line.len() < width;
        base64.extend_from_slice(line);
    }
    STANDARD.decode(&*base64).map(Zeroizing::new).map_err(|_| "its base64 is damaged")
}
