//! What holds for any bytes.

use portcullis_h1::{HeadScanner, Limits, RequestHead, ResponseHead, chunked, parse_authority};
use proptest::{collection::vec, prelude::*};

use crate::{
    reading::{self, Decoded, decode},
    traffic,
};

/// Small, so that small messages reach them.
const TIGHT: Limits = Limits { head_bytes: 120, fields: 4, target_bytes: 20 };

proptest! {
    #![proptest_config(traffic::cases())]

    #[test]
    fn requests_do_not_depend_on_how_they_were_split(
        bytes in prop_oneof![3 => traffic::requests(), 1 => traffic::soup()],
        reads in traffic::reads(),
        limits in prop_oneof![Just(Limits::default()), Just(TIGHT)],
    ) {
        let whole = reading::requests(&bytes, &[], &limits);
        prop_assert_eq!(&reading::requests(&bytes, &reads, &limits), &whole);
        prop_assert_eq!(&reading::requests(&bytes, &[1], &limits), &whole);
    }

    #[test]
    fn responses_do_not_depend_on_how_they_were_split(
        bytes in prop_oneof![3 => traffic::responses(), 1 => traffic::soup()],
        reads in traffic::reads(),
        limits in prop_oneof![Just(Limits::default()), Just(TIGHT)],
        method in prop_oneof![Just("GET"), Just("HEAD")],
    ) {
        let whole = reading::responses(&bytes, &[], method.as_bytes(), &limits);
        prop_assert_eq!(&reading::responses(&bytes, &reads, method.as_bytes(), &limits), &whole);
        prop_assert_eq!(&reading::responses(&bytes, &[1], method.as_bytes(), &limits), &whole);
    }

    #[test]
    fn chunked_bodies_do_not_depend_on_how_they_were_split_and_mean_what_the_grammar_says(
        bytes in prop_oneof![3 => traffic::chunked(), 1 => traffic::soup()],
        reads in traffic::reads(),
    ) {
        let whole = decode(&bytes, &[]);
        prop_assert_eq!(&decode(&bytes, &reads), &whole);
        prop_assert_eq!(&decode(&bytes, &[1]), &whole);
        if let Decoded::Whole(data, trailers, length) = whole {
            prop_assert_eq!(reading::reference(&bytes), Some((data, trailers, length)));
        }
    }

    #[test]
    fn what_is_written_chunked_is_read_again(
        parts in vec(vec(any::<u8>(), 1..300), 0..6),
        trailers in "(X-[a-z]{1,5}: [a-z]{0,5}\r\n){0,3}",
        reads in traffic::reads(),
    ) {
        let mut bytes = Vec::new();
        for part in &parts {
            chunked::write_size(part.len(), &mut bytes);
            bytes.extend_from_slice(part);
            bytes.extend_from_slice(b"\r\n");
        }
        chunked::write_end(trailers.as_bytes(), &mut bytes);
        let length = bytes.len();
        prop_assert_eq!(decode(&bytes, &reads), Decoded::Whole(parts.concat(), trailers.into_bytes(), length));
    }

    #[test]
    fn an_authority_says_nothing_beside_host_and_port(value in prop_oneof!["[ -~]{0,20}", "[a-z0-9.:\\[\\]]{0,12}"]) {
        if let Some(authority) = parse_authority(value.as_bytes()) {
            let host = &value[authority.host.range()];
            prop_assert!(!host.is_empty() && !host.contains([' ', '@', '/', '?', '#', '\\', '%', ',', ';', '"']));
            let port = value[host.len()..].trim_start_matches(':');
            prop_assert_eq!(authority.port, port.parse().ok());
            let http: hyper::http::uri::Authority = value.parse().expect("the http crate reads it too");
            prop_assert_eq!(http.host(), host);
        }
    }

    /// The second head is read as if it were the first: nothing of another head, good or bad, is left.
    #[test]
    fn a_head_that_is_refilled_forgets_the_one_before(
        before in traffic::requests(),
        after in prop_oneof![3 => traffic::requests(), 1 => traffic::soup()],
    ) {
        let limits = Limits::default();
        let (mut used, mut fresh) = (RequestHead::default(), RequestHead::default());
        let _ = used.read(&mut HeadScanner::default(), &before, &limits);
        let read = used.read(&mut HeadScanner::default(), &after, &limits);
        prop_assert_eq!(read, fresh.read(&mut HeadScanner::default(), &after, &limits));
        if read != Ok(None) {
            prop_assert_eq!(format!("{used:?}"), format!("{fresh:?}"));
        }
    }

    #[test]
    fn a_response_head_that_is_refilled_forgets_the_one_before(
        before in traffic::responses(),
        after in traffic::responses(),
    ) {
        let limits = Limits::default();
        let (mut used, mut fresh) = (ResponseHead::default(), ResponseHead::default());
        let _ = used.read(&mut HeadScanner::default(), &before, b"GET", &limits);
        let read = used.read(&mut HeadScanner::default(), &after, b"GET", &limits);
        prop_assert_eq!(read, fresh.read(&mut HeadScanner::default(), &after, b"GET", &limits));
        if matches!(read, Ok(Some(_))) {
            prop_assert_eq!(format!("{used:?}"), format!("{fresh:?}"));
        }
    }
}
