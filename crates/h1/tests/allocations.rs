//! A codec that is warm allocates nothing: heads, chunks and trailers are read into what the ones before left.

#![allow(unsafe_code)] // an allocator cannot be counted without being one

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use portcullis_h1::{ChunkedDecoder, HeadScanner, Limits, RequestHead, ResponseHead, chunked};

/// Counts allocations of the thread that asks.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_codec_allocates_nothing() {
    const REQUEST: &[u8] = b"POST http://b/c?d HTTP/1.1\r\nHost: a:80\r\nConnection: upgrade, X, keep-alive\r\n\
        Upgrade: websocket\r\nX: y\r\nX_Forwarded_For: z\r\nTE: trailers\r\nExpect: 100-continue\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nDate: x\r\nConnection: close, X\r\nContent-Length: 5\r\n\r\n";
    const BODY: &[u8] = b"5;x=y\r\nabcde\r\n0\r\nX-Sum: 1\r\n\r\n";
    let limits = Limits::default();
    let (mut request, mut response) = (RequestHead::default(), ResponseHead::default());
    let (mut decoder, mut out) = (ChunkedDecoder::default(), Vec::new());
    let mut exchange = || {
        let read = request.read(&mut HeadScanner::default(), REQUEST, &limits);
        assert_eq!(read, Ok(Some(REQUEST.len())));
        let read = response.read(&mut HeadScanner::default(), RESPONSE, b"GET", &limits);
        assert_eq!(read, Ok(Some(RESPONSE.len())));
        decoder.reset();
        out.clear();
        let mut rest = BODY;
        while let Ok(progress) = decoder.decode(rest)
            && !progress.done
        {
            chunked::write_size(progress.data, &mut out);
            rest = &rest[progress.consumed..];
        }
        chunked::write_end(decoder.trailers(), &mut out);
    };
    exchange();
    let before = ALLOCATIONS.get();
    for _ in 0..10 {
        exchange();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
}
