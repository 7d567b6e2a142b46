//! The `Cookie` headers of a request, as they are read.

use std::iter::FusedIterator;

/// How many bytes of a request's `Cookie` headers are read, all headers taken together: 64 KiB.
///
/// Common servers and proxies pass 8 to 32 KiB of headers, so no browser sent more through them. The bound
/// limits what one request can cost.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// How many pairs of a request's `Cookie` headers are read, all headers taken together. Empty pairs and
/// pairs without a name count, too.
///
/// Browsers keep a few hundred cookies for a site, so 4,096 is ten times what an honest one can send.
pub const MAX_PAIRS: usize = 4096;

/// Reads `Cookie` headers: the (name, value) pairs of all of them, in order, duplicates included
/// (RFC 6265bis section 4.2).
///
/// A pair ends at `;` and is split at its first `=`. Spaces and tabs around name and value are dropped.
/// Nothing is decoded: percent signs, quotes and bytes that are not UTF-8 stay as they came. A pair
/// without `=`, or with nothing before it, has no name and is left out. So `=__Host-x=v`, which a page of
/// another host may plant, never reads as `__Host-x`.
///
/// Each header's bytes are read once. Reading ends, without an error, at [`MAX_HEADER_BYTES`] or
/// [`MAX_PAIRS`]. A pair that crosses the first bound is left out, and never cut.
///
/// The headers may be of any type that lends bytes: `[b"a=1".as_slice()]`, `["a=1"]`, the `HeaderValue`s
/// of the `http` crate.
///
/// ```
/// let read: Vec<_> = cloakroom::cookie::pairs(["a=1; b=\"2\"", "a=3"]).collect();
/// assert_eq!(read, [(b"a".as_slice(), b"1".as_slice()), (b"b", b"\"2\""), (b"a", b"3")]);
/// ```
pub fn pairs<'h, T, I>(headers: I) -> Pairs<'h, I::IntoIter>
where
    T: AsRef<[u8]> + ?Sized + 'h,
    I: IntoIterator<Item = &'h T>,
{
    Pairs { headers: headers.into_iter(), rest: None, bytes_left: MAX_HEADER_BYTES, pairs_left: MAX_PAIRS }
}

/// The iterator that [`pairs`] returns, whose documentation has an example. Both parts of each pair are slices of the headers.
#[derive(Clone)]
pub struct Pairs<'h, I> {
    headers: I,
    /// The unread rest of the current header, or none before the next header.
    rest: Option<&'h [u8]>,
    bytes_left: usize,
    pairs_left: usize,
}

// Written by hand, because a derived one would show the session ids in the headers.
impl<I> std::fmt::Debug for Pairs<'_, I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pairs")
            .field("bytes_left", &self.bytes_left)
            .field("pairs_left", &self.pairs_left)
            .finish_non_exhaustive()
    }
}

impl<'h, T, I> Pairs<'h, I>
where
    T: AsRef<[u8]> + ?Sized + 'h,
    I: Iterator<Item = &'h T>,
{
    /// The bytes up to the next `;` or the header's end. None after the last header, or at a bound.
    fn segment(&mut self) -> Option<&'h [u8]> {
        // The bound counts segments, and before the next header is taken. So neither a header full of
        // semicolons nor an endless number of empty headers keeps this going.
        self.pairs_left = self.pairs_left.checked_sub(1)?;
        let rest = match self.rest.take() {
            Some(rest) => rest,
            None => self.headers.next()?.as_ref(),
        };
        let in_reach = &rest[..rest.len().min(self.bytes_left)];
        match in_reach.iter().position(|&byte| byte == b';') {
            Some(end) => {
                self.bytes_left -= end + 1;
                self.rest = Some(&rest[end + 1..]);
                Some(&rest[..end])
            }
            None if in_reach.len() == rest.len() => {
                self.bytes_left -= rest.len();
                Some(rest)
            }
            None => None,
        }
    }
}

impl<'h, T, I> Iterator for Pairs<'h, I>
where
    T: AsRef<[u8]> + ?Sized + 'h,
    I: Iterator<Item = &'h T>,
{
    type Item = (&'h [u8], &'h [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(segment) = self.segment() else {
                // This iterator stays at its end, also if the headers' iterator gives more when asked again.
                self.pairs_left = 0;
                return None;
            };
            if let Some(pair) = split(segment) {
                return Some(pair);
            }
        }
    }
}

impl<'h, T, I> FusedIterator for Pairs<'h, I>
where
    T: AsRef<[u8]> + ?Sized + 'h,
    I: Iterator<Item = &'h T>,
{
}

/// Splits the bytes before a `;` into name and value. None for a pair without a name.
pub(super) fn split(segment: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = segment.iter().position(|&byte| byte == b'=')?;
    let name = trim(&segment[..equals]);
    (!name.is_empty()).then(|| (name, trim(&segment[equals + 1..])))
}

/// Drops spaces and tabs at both ends. Other white space is a part of the value.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Vec<(&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        pairs([header]).map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn only_spaces_and_tabs_are_trimmed() {
        assert_eq!(read(" \ta\t =\t b c \t;\u{b}d=\r"), [("a", "b c"), ("\u{b}d", "\r")]);
    }

    #[test]
    fn a_pair_is_split_at_its_first_equals_sign() {
        assert_eq!(read("a==b=; c="), [("a", "=b="), ("c", "")]);
    }

    #[test]
    fn each_byte_and_each_pair_is_paid_for_once() {
        for header in ["", ";", "a=b", "a=b;", "; ;x;=;a=b; c=\"d\"", "a=b; a=b; a=b; a=b"] {
            let mut pairs = pairs([header]);
            let yielded = pairs.by_ref().count();
            assert!(yielded <= header.matches(';').count() + 1);
            assert_eq!(MAX_HEADER_BYTES - pairs.bytes_left, header.len(), "{header}");
        }
    }

    #[test]
    fn a_pair_across_the_byte_bound_is_left_out_whole() {
        let filler = format!("f={};", "x".repeat(MAX_HEADER_BYTES - 3 - "sid=1234".len()));
        let fits = format!("{filler}sid=1234");
        assert_eq!(read(&fits).last(), Some(&("sid", "1234")));
        let crosses = format!("{filler}sid=12345");
        assert_eq!(read(&crosses).len(), 1);
        assert_eq!(read(&crosses)[0].0, "f");
    }

    #[test]
    fn a_finished_iterator_stays_finished() {
        let mut calls = 0;
        let mut pairs = pairs(std::iter::from_fn(|| {
            calls += 1;
            (calls % 2 == 1).then_some("a=b")
        }));
        assert!(pairs.next().is_some());
        assert!(pairs.next().is_none());
        assert!(pairs.next().is_none());
    }
}
