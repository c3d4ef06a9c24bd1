//! No address that is accepted after a login leads a browser to another origin.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis_identity::pages::ReturnTo;

fuzz_target!(|text: &str| {
    if let Some(to) = ReturnTo::parse(text) {
        let base = url::Url::parse("https://shop.example.com/.portcullis/login").unwrap();
        assert_eq!(base.join(to.as_str()).unwrap().origin(), base.origin());
    }
});
