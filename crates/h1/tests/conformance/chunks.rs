//! Chunked coding, row by row (RFC 9112 7.1). `[n]` names the attack of the catalogue.

use portcullis_h1::{ChunkError, ChunkedDecoder, chunked};

use crate::reading::{Decoded, decode};

#[test]
fn codings_with_more_than_one_reading_are_refused() {
    use ChunkError::*;
    let rows: &[(&str, &[u8], ChunkError)] = &[
        ("no digit", b"\r\n", Size),
        ("no digit, extension", b";x\r\n", Size),
        ("sign", b"+5\r\nabcde\r\n0\r\n\r\n", Size),
        ("negative", b"-5\r\n", Size),
        ("prefix", b"0x5\r\nabcde\r\n0\r\n\r\n", Size),
        ("not hexadecimal", b"g\r\n", Size),
        ("underscore", b"1_0\r\n", Size),
        ("full-width digit", "\u{ff15}\r\n".as_bytes(), Size),
        ("leading space", b" 5\r\nabcde\r\n0\r\n\r\n", Size),
        ("trailing space", b"5 \r\nabcde\r\n0\r\n\r\n", Size),
        ("space before the extension", b"5 ;x\r\nabcde\r\n0\r\n\r\n", Size),
        ("tab before the extension", b"5\t;x\r\nabcde\r\n0\r\n\r\n", Size),
        ("vertical tab", b"5\x0b\r\n", Size),
        ("NUL", b"5\0\r\n", Size),
        ("comma", b"5,6\r\n", Size),
        ("[8] [10] 17 digits", b"00000000000000005\r\nabcde", Size),
        ("[10] overflow to 5", b"10000000000000005\r\nabcde\r\n0\r\n\r\n", Size),
        ("[8] 64 bits", b"ffffffffffffffff\r\n", Size),
        ("[8] more than signed 64 bits", b"8000000000000000\r\n", Size),
        ("[9] bare LF after the size", b"5\nabcde\r\n0\r\n\r\n", Size),
        ("bare CR after the size", b"5\rabcde\r\n0\r\n\r\n", Ending),
        ("CR CR LF", b"5\r\r\nabcde\r\n", Ending),
        ("[12] TERM.EXT: bare LF in an extension", b"5;\nabcde\r\n0\r\n\r\n", Extension),
        ("[12] EXT.TERM: LF after an extension", b"5;x\nabcde\r\n0\r\n\r\n", Extension),
        ("[12] bare CR in an extension", b"5;a\rb\r\nabcde\r\n", Ending),
        ("NUL in an extension", b"5;\0\r\n", Extension),
        ("DEL in an extension", b"5;\x7f\r\n", Extension),
        ("obs-text in an extension", b"5;\xff\r\n", Extension),
        ("[12] SPILL: data longer than its chunk", b"5\r\nabcdef\r\n0\r\n\r\n", Ending),
        ("[12] SPILL: two bytes that are not CRLF", b"5\r\nabcdeXX0\r\n\r\n", Ending),
        ("[12] bare LF after the data", b"5\r\nabcde\n0\r\n\r\n", Ending),
        ("[12] bare CR after the data", b"5\r\nabcde\r0\r\n\r\n", Ending),
        ("nothing after the data", b"5\r\nabcde0\r\n\r\n", Ending),
        ("LF CR after the data", b"5\r\nabcde\n\r0\r\n\r\n", Ending),
        // trailers
        ("bare LF after the last chunk", b"0\n\r\n", Size),
        ("bare LF for the last line", b"0\r\n\n", Trailer),
        ("bare LF within", b"0\r\nX: y\nZ: z\r\n\r\n", Trailer),
        ("bare CR within", b"0\r\nX: y\rZ: z\r\n\r\n", Trailer),
        ("no name", b"0\r\n: y\r\n\r\n", Trailer),
        ("no colon", b"0\r\nGET / HTTP/1.1\r\n\r\n", Trailer),
        ("space before the colon", b"0\r\nX : y\r\n\r\n", Trailer),
        ("folded", b"0\r\nX: y\r\n z\r\n\r\n", Trailer),
        ("NUL", b"0\r\nX: \0\r\n\r\n", Trailer),
        ("[12] Content-Length", b"0\r\nContent-Length: 5\r\n\r\n", ForbiddenTrailer),
        ("[12] Transfer-Encoding", b"0\r\nX: y\r\ntransfer-encoding: chunked\r\n\r\n", ForbiddenTrailer),
        ("[12] Host", b"0\r\nHOST: b\r\n\r\n", ForbiddenTrailer),
        ("[12] Authorization", b"0\r\nAuthorization: x\r\n\r\n", ForbiddenTrailer),
        ("Cookie", b"0\r\nCookie: x\r\n\r\n", ForbiddenTrailer),
        ("Set-Cookie", b"0\r\nSet-Cookie: x\r\n\r\n", ForbiddenTrailer),
        ("X-Forwarded-User", b"0\r\nX-Forwarded-User: root\r\n\r\n", ForbiddenTrailer),
        ("X_Forwarded_For", b"0\r\nX_Forwarded_For: ::1\r\n\r\n", ForbiddenTrailer),
        ("Content-Type", b"0\r\nContent-Type: x\r\n\r\n", ForbiddenTrailer),
        ("If-Match", b"0\r\nIf-Match: x\r\n\r\n", ForbiddenTrailer),
        ("Trailer", b"0\r\nTrailer: x\r\n\r\n", ForbiddenTrailer),
    ];
    for (attack, bytes, expected) in rows {
        assert_eq!(decode(bytes, &[]), Decoded::Refused(*expected), "{attack}: {}", bytes.escape_ascii());
        assert_eq!(decode(bytes, &[1]), Decoded::Refused(*expected), "{attack}: {}", bytes.escape_ascii());
    }
}

#[test]
fn codings_with_one_reading_are_decoded() {
    let rows: &[(&[u8], &[u8], &[u8])] = &[
        (b"0\r\n\r\n", b"", b""),
        (b"000\r\n\r\n", b"", b""),
        (b"5\r\nabcde\r\n0\r\n\r\n", b"abcde", b""),
        (b"0000000000000005\r\nabcde\r\n0\r\n\r\n", b"abcde", b""),
        (b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", b"abc", b""),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789", b""),
        (b"5;x=\"y;\tz\"\r\nabcde\r\n0;last\r\n\r\n", b"abcde", b""),
        (b"5;\r\nabcde\r\n0;\r\n\r\n", b"abcde", b""),
        (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n", b""),
        (b"0\r\nX-Sum: 1\r\nServer-Timing:\r\n\r\n", b"", b"X-Sum: 1\r\nServer-Timing:\r\n"),
    ];
    for (bytes, data, trailers) in rows {
        let expected = Decoded::Whole(data.to_vec(), trailers.to_vec(), bytes.len());
        let followed = [bytes, &b"GET / HTTP/1.1\r\n\r\n"[..]].concat();
        assert_eq!(decode(&followed, &[]), expected, "{}", bytes.escape_ascii());
        assert_eq!(decode(&followed, &[1]), expected, "{}", bytes.escape_ascii());
        for end in 0..bytes.len() {
            assert!(matches!(decode(&bytes[..end], &[]), Decoded::Partial(_)), "{}", bytes[..end].escape_ascii());
        }
    }
}

#[test]
fn what_is_not_data_is_bounded() {
    let with_extensions = |count: usize| [&b"1;"[..], &vec![b'x'; count], b"\r\na\r\n0\r\n\r\n"].concat();
    assert!(matches!(decode(&with_extensions(4096), &[]), Decoded::Whole(..)));
    assert_eq!(decode(&with_extensions(4097), &[]), Decoded::Refused(ChunkError::Extension));
    // Also when they come with many chunks.
    assert_eq!(decode(&b"1;xxxxxxx\r\na\r\n".repeat(600), &[]), Decoded::Refused(ChunkError::Extension));

    let with_trailer = |length: usize| [b"0\r\nX: ", &*vec![b'x'; length], b"\r\n\r\n"].concat();
    assert!(matches!(decode(&with_trailer(8000), &[]), Decoded::Whole(..)));
    assert_eq!(decode(&with_trailer(8192), &[]), Decoded::Refused(ChunkError::Trailer));
    let endless = [&b"0\r\nX: "[..], &[b'x'; 10_000]].concat();
    assert_eq!(decode(&endless, &[]), Decoded::Refused(ChunkError::Trailer));

    let with_trailers = |count: usize| [&b"0\r\n"[..], &b"X: y\r\n".repeat(count), b"\r\n"].concat();
    assert!(matches!(decode(&with_trailers(64), &[]), Decoded::Whole(..)));
    assert_eq!(decode(&with_trailers(65), &[]), Decoded::Refused(ChunkError::Trailer));
}

#[test]
fn a_decoder_serves_one_body_after_the_other() {
    let mut decoder = ChunkedDecoder::default();
    for trailers in [&b"A: 1\r\n"[..], b"", b"B: 2\r\n"] {
        let bytes = [b"0\r\n", trailers, b"\r\n"].concat();
        assert!(decoder.decode(&bytes).is_ok_and(|progress| progress.done && progress.consumed == bytes.len()));
        assert_eq!(decoder.trailers(), trailers);
        // Done is done: what follows is not looked at.
        assert!(decoder.decode(b"zzz").is_ok_and(|progress| progress.done && progress.consumed == 0));
        decoder.reset();
    }
}

#[test]
fn sizes_are_written_as_they_are_read() {
    for (length, expected) in
        [(1, "1"), (15, "f"), (16, "10"), (255, "ff"), (65_536, "10000"), (1 << 40, "10000000000")]
    {
        let mut out = b"before".to_vec();
        chunked::write_size(length, &mut out);
        assert_eq!(out, format!("before{expected}\r\n").into_bytes());
    }
    let mut out = Vec::new();
    chunked::write_size(usize::MAX, &mut out);
    assert_eq!(out, b"ffffffffffffffff\r\n");
    out.clear();
    chunked::write_end(b"A: 1\r\n", &mut out);
    assert_eq!(out, b"0\r\nA: 1\r\n\r\n");
}
