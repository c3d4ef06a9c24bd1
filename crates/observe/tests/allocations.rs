//! What workers do for each request allocates nothing once they are warm.

#![allow(unsafe_code)] // an allocator cannot be counted without being one

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use portcullis_observe::{
    AccessLog, AccessLogSettings, AccessRecord, Phases, RecordKind, RequestIds, Termination, TlsRecord,
    access_log::{Format, Target},
    metrics::{Buckets, Registry},
};

/// Counts allocations of the thread that asks; the log's own thread may do as it likes.
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

fn full_record(ids: &mut RequestIds) -> AccessRecord<'static> {
    AccessRecord {
        kind: RecordKind::Request,
        time: SystemTime::now(),
        port: "web",
        role: "public",
        source: Some(SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 51234))),
        peer: Some(SocketAddr::from(([203, 0, 113, 9], 443))),
        tls: Some(TlsRecord {
            version: "TLSv1.3",
            cipher: "TLS13_AES_128_GCM_SHA256",
            resumed: true,
            client: Some("CN=grün"),
        }),
        sni: Some("shop.example.com"),
        principal: None,
        method: Some(b"GET"),
        host: Some(b"shop.example.com"),
        path: Some(b"/cart?item=\"17\"\xff\xe2\x80\xae"),
        status: Some(200),
        bytes_received: 812,
        bytes_sent: 18_220,
        route: Some("shop"),
        service: Some("shop"),
        endpoint: Some("127.0.0.1:3000"),
        phases: Phases {
            handshake: Some(Duration::from_micros(900)),
            head: Some(Duration::from_micros(12)),
            connect: Some(Duration::from_micros(80)),
            response: Some(Duration::from_millis(4)),
            body: Some(Duration::from_millis(1)),
            total: Duration::from_millis(6),
        },
        retries: 1,
        request_id: ids.next_id(),
        termination: Termination::Completed,
        detail: Some("the first endpoint closed the connection"),
    }
}

#[test]
fn records_and_counters_allocate_nothing_once_warm() {
    for format in [Format::Json, Format::Text] {
        let directory = tempfile::tempdir().unwrap();
        let target = Target::File(directory.path().join("access.log"));
        let log = AccessLog::open(AccessLogSettings { target, format, ..AccessLogSettings::default() }).unwrap();
        let registry = Registry::new(1, Buckets::default());
        let (port, route) = (registry.port("web", "public"), registry.route("web", "shop"));
        let (mut writer, mut ids) = (log.writer(), RequestIds::new());
        let mut serve = || {
            writer.write(&full_record(&mut ids));
            port.shard(0).ended(Termination::Completed);
            route.shard(0).finished(Some(200), Duration::from_millis(6));
        };
        serve();
        let before = ALLOCATIONS.get();
        // Fewer than fill a batch: the buffer for the next batch is the one allocation that may be needed then.
        for _ in 0..30 {
            serve();
        }
        assert_eq!(ALLOCATIONS.get() - before, 0, "{format:?}");
    }
}
