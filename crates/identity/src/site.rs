//! Where a browser sees us.

/// An origin of ours: what a browser writes before the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site<'a> {
    /// `http` or `https`, by what the port itself speaks.
    pub scheme: &'a str,
    /// Host in lower case with the port number, if one was given.
    pub authority: &'a str,
}

impl<'a> Site<'a> {
    /// Whether cookies can be kept from those who listen.
    pub fn is_secure(self) -> bool {
        self.scheme == "https"
    }

    /// The host without its port number: cookies do not know ports (RFC 6265 8.5).
    pub fn host(self) -> &'a str {
        match self.authority.rsplit_once(':') {
            // Of an IPv6 address without a port, the last colon is within brackets.
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => self.authority,
        }
    }

    /// As `Origin:` names it.
    pub fn origin(self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_stands_before_the_port() {
        for (authority, host) in [
            ("shop.example.com", "shop.example.com"),
            ("shop.example.com:8443", "shop.example.com"),
            ("[::1]:8443", "[::1]"),
            ("[::1]", "[::1]"),
            ("shop.example.com:", "shop.example.com"),
        ] {
            assert_eq!(Site { scheme: "https", authority }.host(), host, "{authority}");
        }
    }
}
