//! One word behind `EXPOSE`: `80`, `80/udp`, `3000-3010/tcp`.

use crate::estate::{PortSpan, Transport};

/// What is wrong with a word, and what its author may have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mistake {
    /// Not a number at all.
    NotAPort,
    /// A number that no port has.
    OutOfRange,
    /// 0.
    Zero,
    /// The larger end first.
    Reversed {
        /// The right way round.
        mended: String,
    },
    /// `host:container`, or with an address: publishing is not what `EXPOSE` does.
    Mapping {
        /// The container's side.
        mended: String,
    },
    /// Something else than tcp, udp or sctp.
    Protocol(String),
    /// An environment that writes lists with commas.
    List {
        /// The same list with spaces.
        mended: String,
    },
}

/// Reads a word.
pub(super) fn parse(word: &str) -> Result<(PortSpan, Transport), Mistake> {
    let (numbers, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
    if numbers.contains(',') {
        let mended = word.split(',').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        return Err(Mistake::List { mended });
    }
    if let Some((_, container)) = word.rsplit_once(':') {
        return Err(Mistake::Mapping { mended: container.to_owned() });
    }
    let transport = match protocol.to_ascii_lowercase().as_str() {
        "tcp" | "" => Transport::Tcp,
        "udp" => Transport::Udp,
        "sctp" => Transport::Sctp,
        _ => return Err(Mistake::Protocol(protocol.to_owned())),
    };
    let (first, last) = match numbers.split_once('-') {
        Some((first, last)) => (number(first)?, number(last)?),
        None => (number(numbers)?, number(numbers)?),
    };
    let reversed = || Mistake::Reversed { mended: word.replacen(numbers, &format!("{last}-{first}"), 1) };
    if first == 0 && last == 0 {
        return Err(Mistake::Zero);
    }
    PortSpan::new(first, last).ok_or_else(reversed).map(|ports| (ports, transport))
}

fn number(text: &str) -> Result<u16, Mistake> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        let is_negative = text.strip_prefix('-').is_some_and(|text| text.parse::<u64>().is_ok());
        return Err(if is_negative { Mistake::OutOfRange } else { Mistake::NotAPort });
    }
    text.parse().map_err(|_| Mistake::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_ports_or_say_what_is_wrong() {
        let tcp = |first, last| Ok((PortSpan { first, last }, Transport::Tcp));
        for (word, expected) in [
            ("80", tcp(80, 80)),
            ("80/tcp", tcp(80, 80)),
            ("80/TCP", tcp(80, 80)),
            ("3000-3010", tcp(3000, 3010)),
            ("53/udp", Ok((PortSpan::one(53), Transport::Udp))),
            ("7-9/sctp", Ok((PortSpan { first: 7, last: 9 }, Transport::Sctp))),
            ("0", Err(Mistake::Zero)),
            ("0-10", tcp(0, 10)),
            ("65536", Err(Mistake::OutOfRange)),
            ("99999999999999999999", Err(Mistake::OutOfRange)),
            ("90-80/udp", Err(Mistake::Reversed { mended: "80-90/udp".to_owned() })),
            ("http", Err(Mistake::NotAPort)),
            ("[80]", Err(Mistake::NotAPort)),
            ("80-", Err(Mistake::NotAPort)),
            ("", Err(Mistake::NotAPort)),
            ("+80", Err(Mistake::NotAPort)),
            ("80,443", Err(Mistake::List { mended: "80 443".to_owned() })),
            ("8080:80", Err(Mistake::Mapping { mended: "80".to_owned() })),
            ("127.0.0.1:8080:80/udp", Err(Mistake::Mapping { mended: "80/udp".to_owned() })),
            ("80/http", Err(Mistake::Protocol("http".to_owned()))),
        ] {
            assert_eq!(parse(word), expected, "{word}");
        }
    }
}
