//! Any bytes as Terraform, as values of its variables and as a plan: findings and fixes with places inside of the text,
//! never a panic.
#![no_main]

const VARIABLES: &[u8] = b"variable \"ports\" {}\nvariable \"networks\" {}\n";

libfuzzer_sys::fuzz_target!(|data: &[u8]| match data.split_first() {
    Some((b'{', _)) => portcullis_fuzz::format::read("Terraform", &[("plan.json", data)]),
    Some((b'=', values)) =>
        portcullis_fuzz::format::read("Terraform", &[("main.tf", VARIABLES), ("terraform.tfvars", values)]),
    _ => portcullis_fuzz::format::read("Terraform", &[("main.tf", data)]),
});
