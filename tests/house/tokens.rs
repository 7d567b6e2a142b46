//! Rust's tokens, as far as a list of public names needs them. Comments are left out, but for those that are documentation.

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// A line of documentation of the item that follows.
    Doc(String),
    /// Anything else, as it is written.
    Code(String),
}

impl Token {
    /// The text of what is no documentation.
    pub fn code(&self) -> &str {
        match self {
            Self::Doc(_) => "",
            Self::Code(text) => text,
        }
    }
}

const JOINED: [&str; 5] = ["..=", "->", "=>", "::", ".."];

/// The tokens of a file.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_whitespace() => {
                rest = rest.trim_start();
                continue;
            }
            _ if rest.starts_with("//") => {
                let line = rest.lines().next().unwrap_or_default();
                if let Some(doc) = line.strip_prefix("///").filter(|doc| !doc.starts_with('/')) {
                    found.push(Token::Doc(doc.to_owned()));
                }
                rest = &rest[line.len()..];
                continue;
            }
            _ if rest.starts_with("/*") => {
                rest = rest.split_once("*/").map_or("", |(_, rest)| rest);
                continue;
            }
            _ => literal(rest).unwrap_or_else(|| plain(rest)),
        };
        found.push(Token::Code(rest[..length].to_owned()));
        rest = &rest[length..];
    }
    found
}

/// The length of a string or a character, or of a lifetime, if the text begins with one.
fn literal(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix);
        after.is_some_and(|after| {
            after.starts_with('"')
                || prefix.ends_with('r') && after.starts_with("#\"")
                || *prefix == "b" && after.starts_with('\'')
        })
    });
    if let Some(prefix) = prefix.filter(|prefix| prefix.ends_with('r')) {
        let hashes = text[prefix.len()..].bytes().take_while(|byte| *byte == b'#').count();
        let opened = prefix.len() + hashes + 1;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(opened + text[opened..].find(&end)? + end.len());
    }
    let start = prefix.map_or(0, str::len);
    match text[start..].chars().next()? {
        '"' => quoted(text, start, '"'),
        '\'' => {
            let mut after = text[start + 1..].chars();
            let is_char = matches!((after.next(), after.next()), (Some('\\'), _) | (_, Some('\'')));
            if is_char { quoted(text, start, '\'') } else { Some(start + 1 + word(&text[start + 1..])) }
        }
        _ => None,
    }
}

/// The end of what is quoted from `start` on.
fn quoted(text: &str, start: usize, quote: char) -> Option<usize> {
    let mut escaped = false;
    text[start + 1..].char_indices().find_map(|(at, char)| {
        let ends = char == quote && !escaped;
        escaped = char == '\\' && !escaped;
        ends.then_some(start + 2 + at)
    })
}

fn word(text: &str) -> usize {
    text.find(|char: char| !char.is_alphanumeric() && char != '_').unwrap_or(text.len())
}

fn plain(text: &str) -> usize {
    let joined = JOINED.into_iter().find(|joined| text.starts_with(joined)).map(str::len);
    let char = text.chars().next().map_or(0, char::len_utf8);
    joined.unwrap_or_else(|| word(text).max(char))
}

/// Tokens as a line of text.
pub fn line(tokens: &[Token]) -> String {
    let mut line = String::new();
    for token in tokens.iter().map(Token::code) {
        let is_word = |char: char| char.is_alphanumeric() || "_'\"".contains(char);
        let (last, first) = (line.chars().next_back().unwrap_or(' '), token.chars().next().unwrap_or(' '));
        let apart = is_word(last) && is_word(first)
            || ",:;=|+>".contains(last) && is_word(first) && !line.ends_with("::") && !line.ends_with("..=")
            || ",:;=".contains(last) && "&(['<*?".contains(first) && !line.ends_with("::")
            || ["->", "=", "=>", "+", "|"].contains(&token)
            || token == "{" && !line.ends_with("::")
            || line.ends_with("->")
            || line.ends_with('{')
            || line.ends_with('+')
            || token == "}"
            || first == '&' && is_word(last)
            || line.ends_with("mut") && "[(".contains(first);
        if apart && !line.is_empty() && last != ' ' {
            line.push(' ');
        }
        line += token;
    }
    line
}
