//! What a user of the crate can name, read from the sources: each `pub` item, field, variant and method, and each
//! implementation of a trait. That every `pub` item can be reached from outside is the compiler's to say (`unreachable_pub`).
//!
//! What it does not see: what a macro makes, but for the macro's call; and which module an item is reached by, but for the
//! `pub use` that says so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::imports::sources;
use super::tokens::{Token, line, tokens};

/// One public item, or a part of one.
#[derive(Debug)]
pub struct Item {
    /// What it is a part of, such as `impl Session`; nothing for an item of a module.
    pub of: String,
    /// What it is, up to its body: `pub fn login(&self, owner: impl Into<Owner>) -> Result<()>`.
    pub text: String,
    /// Its documentation.
    pub docs: String,
}

/// Attributes that are a part of the interface.
const TOLD: [&str; 5] = ["cfg", "derive", "must_use", "non_exhaustive", "serde"];

/// The files of the public modules. What stands in them is public, and what stands elsewhere is if they name it.
pub const ROOTS: [&str; 6] = [
    "lib.rs",
    "cookie/mod.rs",
    "model/value/mod.rs",
    "store/conformance/mod.rs",
    "adapters/tower/mod.rs",
    "adapters/axum.rs",
];

/// The public items of the crate whose `lib.rs` stands in this folder.
pub fn public_items(src: &Path) -> Vec<Item> {
    let apart = ["fuzzing.rs", "simulation.rs"].map(|file| src.join(file));
    let paths: Vec<PathBuf> = sources(src).into_iter().filter(|file| !apart.contains(file) && !is_test(file)).collect();
    let files: Vec<Vec<Token>> = paths.iter().map(|file| tokens(&fs::read_to_string(file).unwrap())).collect();
    let is_root = |path: &PathBuf| ROOTS.iter().any(|root| *path == src.join(root));
    let roots = paths.iter().zip(&files).filter(|(path, _)| is_root(path));
    let exported: BTreeSet<String> = roots.flat_map(|(_, file)| exported(file)).collect();
    let names = files.iter().flat_map(|file| declared(file)).map(|(name, _)| name);
    let hidden: BTreeSet<String> = names.filter(|name| !exported.contains(name)).collect();
    let mut items = Vec::new();
    for (path, file) in paths.iter().zip(&files) {
        let local = declared(file).filter(|(_, visible)| !visible).map(|(name, _)| name).collect();
        let exported = (!is_root(path)).then_some(&exported);
        let mut scope = Scope { hidden: [&hidden, &local], exported, items: &mut items };
        scope.read(&mut Reader { tokens: file, at: 0 }, &Kind::Module);
    }
    items
}

fn is_test(file: &Path) -> bool {
    file.components().any(|part| ["tests", "tests.rs", "order_tests.rs"].iter().any(|name| part.as_os_str() == *name))
}

/// The names that a file takes from elsewhere to make them public.
fn exported(file: &[Token]) -> BTreeSet<String> {
    let mut reader = Reader { tokens: file, at: 0 };
    let mut names = BTreeSet::new();
    while reader.at < file.len() {
        let (_, attributes) = reader.attributes();
        let is_export = attributes.is_some() && reader.peek() == "pub";
        let item = reader.up_to(&[";", "mod"]);
        if is_export && item.get(1).is_some_and(|token| token.code() == "use") {
            names.extend(leaves(item));
        }
        reader.at += 1;
        // Into a module that stands in the file.
        if file.get(reader.at + 1).is_some_and(|token| token.code() == "{") {
            reader.at += 2;
        }
    }
    names
}

/// What the paths of a `use` end in.
fn leaves(item: &[Token]) -> impl Iterator<Item = String> {
    let is_name = |token: &Token| token.code().starts_with(char::is_alphabetic);
    let at = (0..item.len())
        .filter(move |at| is_name(&item[*at]) && item.get(at + 1).is_none_or(|next| next.code() != "::"));
    at.map(|at| item[at].code().to_owned()).filter(|name| !["pub", "use", "self"].contains(&name.as_str()))
}

/// The names of the types and traits that a file declares, aliases apart, and whether they are `pub`.
fn declared(file: &[Token]) -> impl Iterator<Item = (String, bool)> {
    let is_named = |token: &Token| ["struct", "enum", "trait"].contains(&token.code());
    let at = (1..file.len().saturating_sub(1)).filter(move |at| is_named(&file[*at]));
    let named = at.map(|at| (file[at + 1].code().to_owned(), file[at - 1].code() == "pub"));
    named.filter(|(name, _)| name.starts_with(char::is_alphabetic))
}

/// Where an item stands, which decides what of it is public.
#[derive(PartialEq)]
enum Kind {
    Module,
    /// A trait, or the implementation of one: all is public.
    Open(String),
    /// A type's own implementation: what is `pub`.
    Own(String),
}

struct Scope<'s> {
    /// Types and traits that no user can name: of the crate, and of the file.
    hidden: [&'s BTreeSet<String>; 2],
    /// What the public modules name; `None` in a public module.
    exported: Option<&'s BTreeSet<String>>,
    items: &'s mut Vec<Item>,
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> &'t str {
        self.tokens.get(self.at).map_or("", Token::code)
    }

    /// The tokens up to the end of the group that is opened here, with its brackets.
    fn group(&mut self) -> &'t [Token] {
        let (start, mut depth) = (self.at, 0_usize);
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.code() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        &self.tokens[start..self.at]
    }

    /// The tokens up to one of these, which stays.
    fn up_to(&mut self, ends: &[&str]) -> &'t [Token] {
        let (start, mut angles) = (self.at, 0_usize);
        while self.at < self.tokens.len() && (angles > 0 || !ends.contains(&self.peek())) {
            match self.peek() {
                "(" | "[" | "{" => {
                    self.group();
                    continue;
                }
                "<" => angles += 1,
                ">" => angles = angles.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
        }
        &self.tokens[start..self.at]
    }

    /// Documentation and attributes before an item: the docs, and what is told of the attributes. `None` as attributes if the
    /// item is no part of the interface.
    fn attributes(&mut self) -> (String, Option<String>) {
        let (mut docs, mut told) = (String::new(), Some(String::new()));
        loop {
            match self.tokens.get(self.at) {
                Some(Token::Doc(text)) => {
                    docs += text;
                    docs.push('\n');
                    self.at += 1;
                }
                Some(Token::Code(hash)) if hash == "#" => {
                    self.at += 1;
                    if self.peek() == "!" {
                        self.at += 1;
                    }
                    let group = self.group();
                    let name = group.get(1).map_or("", Token::code);
                    let text = line(group);
                    let is_apart = ["cfg(test)", "doc(hidden)", "\"simulation\"", "cfg(fuzzing)", "cfg(doctest)"];
                    if is_apart.iter().any(|apart| text.contains(apart)) {
                        told = None;
                    } else if name == "doc" && text.contains("include_str") {
                        docs += "```";
                    } else if TOLD.contains(&name)
                        && let Some(told) = &mut told
                    {
                        let text = if name == "must_use" { "[must_use]" } else { &text };
                        *told += &format!("#{text} ");
                    }
                }
                _ => return (docs, told),
            }
        }
    }
}

impl Scope<'_> {
    fn read(&mut self, reader: &mut Reader<'_>, kind: &Kind) {
        loop {
            let (docs, attributes) = reader.attributes();
            if reader.at >= reader.tokens.len() {
                return;
            }
            let start = reader.at;
            let is_pub = reader.peek() == "pub" && reader.tokens.get(start + 1).is_some_and(|next| next.code() != "(");
            let head = reader.up_to(&["{", ";", "="]);
            let word = |word: &str| head.iter().any(|token| token.code() == word);
            let is_macro = head.iter().any(|token| token.code() == "!") && !word("impl") && !word("fn");
            let is_use = head.iter().take(2).any(|token| token.code() == "use");
            // The value of a constant is a part of the interface, and so is what a type stands for; a body is none.
            let tail = match reader.peek() {
                "=" => reader.up_to(&[";"]),
                "{" if is_use => reader.group(),
                _ => &[],
            };
            let body = if reader.peek() == "{" { reader.group() } else { &[] };
            if reader.peek() == ";" {
                reader.at += 1;
            }
            if reader.at == start {
                reader.at += 1;
                continue;
            }
            let Some(attributes) = attributes else { continue };
            let inside = body.get(1..body.len().saturating_sub(1)).unwrap_or_default();
            let mut inner = Reader { tokens: inside, at: 0 };
            // What a type makes of itself for a constant is its own affair.
            let is_own = tail.iter().any(|token| token.code() == "Self");
            let text = format!("{attributes}{}", line(&[head, if is_own { &[] } else { tail }].concat()));
            if is_macro {
                let name = head.iter().rev().skip_while(|token| token.code() != "!").nth(1).map_or("", Token::code);
                match name {
                    "pin_project" => self.read(&mut inner, kind),
                    "serde_as_text" | "from_numbers" => self.add("", text, docs),
                    _ => {}
                }
                continue;
            }
            match kind {
                Kind::Module if word("impl") && !word("fn") => self.read_impl(head, &mut inner),
                Kind::Module if word("mod") => {
                    if is_pub {
                        self.add("", text, docs);
                    }
                    self.read(&mut inner, kind);
                }
                Kind::Module if is_pub && is_use => {
                    if self.exported.is_none() {
                        let leaves: Vec<String> = leaves(&[head, tail].concat()).collect();
                        leaves.into_iter().for_each(|name| self.add("", format!("pub use {name}"), String::new()));
                    }
                }
                Kind::Module if is_pub => {
                    let after = |kinds: &[&str]| {
                        let kind = head.iter().position(|token| kinds.contains(&token.code()))?;
                        head.get(kind + 1).map(Token::code)
                    };
                    let name = after(&["struct", "enum", "trait", "fn"]).or_else(|| after(&["const", "type"]));
                    let name = name.unwrap_or_default().to_owned();
                    if self.exported.is_some_and(|exported| !exported.contains(&name)) {
                        continue;
                    }
                    let text = without_private_fields(text);
                    self.add("", text, docs);
                    if word("struct") {
                        self.read_fields(&mut inner, &format!("struct {name}"), true);
                    } else if word("enum") {
                        self.read_fields(&mut inner, &format!("enum {name}"), false);
                    } else if word("trait") {
                        self.read(&mut inner, &Kind::Open(format!("trait {name}")));
                    }
                }
                Kind::Module => {}
                Kind::Open(of) => self.add(of, text, docs),
                Kind::Own(of) if is_pub => self.add(of, text, docs),
                Kind::Own(_) => {}
            }
        }
    }

    fn read_impl(&mut self, head: &[Token], inner: &mut Reader<'_>) {
        let text = line(head);
        let of_trait = head.iter().rposition(|token| token.code() == "for");
        // A parameter may have the name of a hidden type.
        let is_parameter = |name: &str| {
            let before = |at: usize| ["<", ","].contains(&head[at - 1].code());
            (1..head.len()).any(|at| before(at) && head[at].code() == name && head[1].code() == "<")
        };
        let hidden = |token: &Token| {
            let is_hidden = self.hidden.iter().any(|hidden| hidden.contains(token.code()));
            is_hidden && !is_parameter(token.code())
        };
        let bounds = head.iter().position(|token| token.code() == "where").unwrap_or(head.len());
        if head[..bounds].iter().any(hidden) {
            return;
        }
        match of_trait {
            Some(_) => {
                self.add("", text.clone(), String::new());
                // Of what it implements, only the types are not the trait's.
                while inner.at < inner.tokens.len() {
                    inner.attributes();
                    let item = inner.up_to(&["{", ";"]);
                    if item.first().is_some_and(|token| token.code() == "type") {
                        self.add(&text, line(item), String::new());
                    }
                    if inner.peek() == "{" {
                        inner.group();
                    } else {
                        inner.at += 1;
                    }
                }
            }
            None => self.read(inner, &Kind::Own(text)),
        }
    }

    fn read_fields(&mut self, inner: &mut Reader<'_>, of: &str, only_public: bool) {
        while inner.at < inner.tokens.len() {
            let (docs, attributes) = inner.attributes();
            let field = inner.up_to(&[","]);
            inner.at += 1;
            let is_pub = field.first().is_some_and(|token| token.code() == "pub")
                && field.get(1).is_some_and(|next| next.code() != "(");
            if let Some(attributes) = attributes.filter(|_| !field.is_empty() && (is_pub || !only_public)) {
                let code: Vec<Token> = field.iter().filter(|token| !token.code().is_empty()).cloned().collect();
                self.add(of, format!("{attributes}{}", line(&code)), docs);
            }
        }
    }

    fn add(&mut self, of: &str, text: String, docs: String) {
        self.items.push(Item { of: of.to_owned(), text, docs });
    }
}

/// A tuple struct whose fields are private shows none of them.
fn without_private_fields(text: String) -> String {
    match text.split_once("struct ").and_then(|(_, rest)| rest.split_once('(')) {
        Some((_, fields)) if !fields.contains("pub ") => {
            let end = text.len() - fields.len();
            format!("{}..)", &text[..end])
        }
        _ => text,
    }
}
