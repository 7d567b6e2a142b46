use std::fmt::Write as _;
use std::time::Duration;

use super::template::Template;
use super::{Cookie, CookieError, Keys, Prefix, age, name};

/// The most bytes that the value of one attribute has: browsers ignore a longer one
/// (RFC 6265bis section 5.6).
pub const MAX_ATTRIBUTE_BYTES: usize = 1024;

/// Which requests from other sites' pages a cookie goes along with (RFC 6265bis section 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// None: not even when a link on another site is followed, so such a visitor arrives logged out.
    Strict,
    /// Only when a page is opened, by a link on another site for instance; not with forms that another
    /// site posts, nor with its images, frames and scripts.
    Lax,
    /// All. Demands Secure.
    None,
}

impl SameSite {
    /// The attribute's value, `Lax` for instance.
    pub const fn as_str(self) -> &'static str {
        match self {
            SameSite::Strict => "Strict",
            SameSite::Lax => "Lax",
            SameSite::None => "None",
        }
    }
}

/// Describes a [`Cookie`]; begun by [`Cookie::named`].
///
/// What is not said is safe: the prefix `__Host-`, Secure, HttpOnly, SameSite=Lax, Path=/, no Domain, not
/// partitioned, not signed, and gone when the browser is closed.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until build() is called"]
pub struct CookieBuilder {
    name: String,
    prefix: Option<Prefix>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    path: String,
    domain: Option<String>,
    partitioned: bool,
    max_age: Option<Duration>,
    keys: Option<Keys>,
}

impl CookieBuilder {
    pub(super) fn new(name: String) -> CookieBuilder {
        CookieBuilder {
            name,
            prefix: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            path: "/".to_owned(),
            domain: None,
            partitioned: false,
            max_age: None,
            keys: None,
        }
    }

    /// The prefix before the name; `__Host-` unless said otherwise. A name that begins with a prefix
    /// itself, in whatever case, keeps that one, is held to its rules, and gets no second.
    pub fn prefix(mut self, prefix: Prefix) -> Self {
        self.prefix = Some(prefix);
        self
    }

    /// For plain http: neither Secure nor a prefix.
    ///
    /// Lost is, first, secrecy: whoever listens on the network reads the cookie and takes over the
    /// session. And second, its origin: any host of the same domain, and anyone on the network, can plant
    /// a cookie of this name. Meant for development with browsers that refuse Secure cookies on
    /// `http://localhost`; the name differs from the one with https, so the two never mix.
    pub fn insecure(mut self) -> Self {
        self.secure = false;
        self.prefix = Some(Prefix::None);
        self
    }

    /// Whether the cookie is sent over https only (RFC 6265bis section 4.1.2.5). Every prefix demands
    /// it; to go without, say [`insecure`](CookieBuilder::insecure).
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Whether the cookie is hidden from scripts (RFC 6265bis section 4.1.2.6).
    pub fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// Which requests from other sites the cookie goes along with.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// The path, and whatever lies below it, that the cookie is sent to. It begins with a slash. It is no
    /// protection: pages of other paths on the same host can reach the cookie (RFC 6265bis section 8.5).
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sends the cookie to all hosts of this domain, too, instead of only to the host that sets it. A
    /// name outside of ASCII is written as its A-label (`xn--..`). Ruled out by `__Host-`, so choose
    /// another [`prefix`](CookieBuilder::prefix) along with it.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether a cookie of a page embedded elsewhere is kept apart for every site it is embedded in
    /// (CHIPS, draft-cutler-httpbis-partitioned-cookies). Demands Secure.
    pub fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Makes the cookie permanent: it outlives the browser, for this long. Fractions of a second are cut
    /// off, and [`MAX_AGE`](super::MAX_AGE) is the most.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Signs every value, which takes 44 bytes more, and refuses on reading whatever does not verify.
    pub fn signed(mut self, keys: impl Into<Keys>) -> Self {
        self.keys = Some(keys.into());
        self
    }

    /// Checks everything that does not depend on a value.
    ///
    /// # Errors
    ///
    /// A [`CookieError`] that names the rule: the name is no token, or only a prefix; the prefix, or
    /// SameSite=None, or Partitioned demands an attribute that is missing; an attribute holds a control
    /// or `;`, is longer than [`MAX_ATTRIBUTE_BYTES`], or would be ignored; Max-Age is under one second;
    /// the name alone is longer than a cookie may be.
    pub fn build(self) -> Result<Cookie, CookieError> {
        let name = name::finish(&self.name, self.prefix)?;
        self.check_path(&name)?;
        self.check_domain(&name)?;
        self.check_prefix(&name)?;
        self.check_secure(&name)?;
        if self.max_age.is_some_and(|max_age| age::seconds(max_age) == 0) {
            return Err(CookieError::ZeroMaxAge { name });
        }
        let attributes = self.attributes();
        Cookie::new(Template { name, attributes, max_age: self.max_age, keys: self.keys })
    }

    /// Browsers replace a path that does not begin with a slash by one they guess.
    fn check_path(&self, name: &str) -> Result<(), CookieError> {
        const ALLOWED: &str = "printable ASCII but `;`";
        check_attribute(name, "Path", &self.path, ALLOWED, |byte| matches!(byte, b' '..=b'~') && byte != b';')?;
        if !self.path.starts_with('/') {
            return Err(CookieError::AttributeIgnored {
                name: name.to_owned(),
                attribute: "Path",
                why: "does not begin with `/`, so browsers would put a path of their own in its place",
            });
        }
        Ok(())
    }

    /// Browsers ignore an empty domain, and match no other characters than a host's.
    fn check_domain(&self, name: &str) -> Result<(), CookieError> {
        const ALLOWED: &str = "letters, digits, `-`, `_` and `.`";
        let Some(domain) = &self.domain else { return Ok(()) };
        check_attribute(name, "Domain", domain, ALLOWED, |byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
        })?;
        if domain.trim_matches('.').is_empty() {
            return Err(CookieError::AttributeIgnored {
                name: name.to_owned(),
                attribute: "Domain",
                why: "names no host; leave it away for a cookie of this host only",
            });
        }
        Ok(())
    }

    /// Goes by the finished name, as browsers do, whoever put the prefix there.
    fn check_prefix(&self, name: &str) -> Result<(), CookieError> {
        let prefix = Prefix::of(name);
        let demands = [
            (prefix.demands_secure() && !self.secure, "Secure (for plain http, call insecure())"),
            (prefix.demands_http_only() && !self.http_only, "HttpOnly"),
            (prefix.demands_host() && self.path != "/", "Path=/"),
            (prefix.demands_host() && self.domain.is_some(), "no Domain"),
        ];
        match demands.into_iter().find(|(broken, _)| *broken) {
            Some((_, demand)) => Err(CookieError::PrefixRule { name: name.to_owned(), prefix, demand }),
            None => Ok(()),
        }
    }

    fn check_secure(&self, name: &str) -> Result<(), CookieError> {
        let attribute = match self {
            _ if self.secure => return Ok(()),
            CookieBuilder { same_site: SameSite::None, .. } => "SameSite=None",
            CookieBuilder { partitioned: true, .. } => "Partitioned",
            _ => return Ok(()),
        };
        Err(CookieError::NeedsSecure { name: name.to_owned(), attribute })
    }

    fn attributes(&self) -> String {
        let mut text = String::new();
        if let Some(domain) = &self.domain {
            let _ = write!(text, "; Domain={domain}");
        }
        let _ = write!(text, "; Path={}", self.path);
        if self.secure {
            text.push_str("; Secure");
        }
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        let _ = write!(text, "; SameSite={}", self.same_site.as_str());
        if self.partitioned {
            text.push_str("; Partitioned");
        }
        text
    }
}

fn check_attribute(
    name: &str,
    attribute: &'static str,
    value: &str,
    allowed: &'static str,
    is_allowed: impl Fn(u8) -> bool,
) -> Result<(), CookieError> {
    let name = || name.to_owned();
    if value.len() > MAX_ATTRIBUTE_BYTES {
        return Err(CookieError::AttributeTooLong { name: name(), attribute, length: value.len() });
    }
    match value.bytes().enumerate().find(|(_, byte)| !is_allowed(*byte)) {
        Some((position, byte)) => Err(CookieError::AttributeByte { name: name(), attribute, position, byte, allowed }),
        None => Ok(()),
    }
}
