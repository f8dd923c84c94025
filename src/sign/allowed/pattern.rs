//! OpenSSH's lists of patterns: `*` and `?`, commas, `!`.

/// The longest pattern of a list, in bytes; OpenSSH lets a list with a longer one match nothing.
const MAX_PATTERN: usize = 1022;

/// The first pattern of a list that matches a text, if none with `!` before it in the list matches as well. Bytes are
/// what is compared, upper and lower case are two.
pub(super) fn matching<'a>(list: &'a str, text: &str) -> Option<&'a str> {
    let mut found = None;
    for pattern in list.split(',') {
        let (pattern, negated) = pattern.strip_prefix('!').map_or((pattern, false), |pattern| (pattern, true));
        if pattern.len() > MAX_PATTERN {
            return None;
        }
        if matches(pattern.as_bytes(), text.as_bytes()) {
            if negated {
                return None;
            }
            found = found.or(Some(pattern));
        }
    }
    found
}

/// Whether a pattern matches all of a text. It takes no more steps than the one's length times the other's.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where to go on when the rest does not match: the last `*` takes one byte more.
    let mut retry: Option<(usize, usize)> = None;
    while from < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, from));
            }
            Some(&byte) if byte == b'?' || byte == text[from] => {
                at += 1;
                from += 1;
            }
            _ => {
                let Some((after, taken)) = &mut retry else { return false };
                *taken += 1;
                (at, from) = (*after, *taken);
            }
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}
