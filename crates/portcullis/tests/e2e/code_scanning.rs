//! `check --format sarif` as code scanning takes it: valid by the schema of the standard, and what GitHub asks beyond it.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

const CRATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn sarif(folder: &Path, paths: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("check").args(paths).args(["--format", "sarif"]).current_dir(folder).output().unwrap()
}

/// What the schema has against a log, as Python's validator says it.
fn mistakes(log: &[u8]) -> String {
    const VALIDATE: &str = "
import json, sys, jsonschema
schema = json.load(open(sys.argv[1]))
for error in list(jsonschema.Draft4Validator(schema).iter_errors(json.load(open(sys.argv[2]))))[:9]:
    print('/'.join(map(str, error.absolute_path)), error.message[:300])
";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), log).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schema/sarif-schema-2.1.0.json");
    let output = Command::new("/usr/bin/python3").args(["-c", VALIDATE, schema]).arg(file.path()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_findings_of_all_rules_are_valid_by_the_schema_of_the_standard() {
    let log = sarif(&Path::new(CRATES).join("lint"), &["examples"]).stdout;
    assert_eq!(mistakes(&log), "");
    let log: Value = serde_json::from_slice(&log).unwrap();
    let kinds =
        |name: &str| log["runs"][0]["results"].as_array().unwrap().iter().filter(|one| !one[name].is_null()).count();
    // The log says all that one can hold.
    assert!(kinds("fixes") > 20 && kinds("relatedLocations") > 20, "{} {}", kinds("fixes"), kinds("relatedLocations"));
    assert!(mistakes(b"{ \"version\": \"2.1.0\", \"runs\": [{}] }").contains("'tool' is a required property"));
}

#[test]
fn code_scanning_finds_the_file_the_rule_and_the_line_again() {
    let log: Value = serde_json::from_slice(&sarif(&Path::new(CRATES).join("lint"), &["./examples"]).stdout).unwrap();
    let run = &log["runs"][0];
    let (rules, results) = (run["tool"]["driver"]["rules"].as_array().unwrap(), run["results"].as_array().unwrap());
    assert!(results.len() > 200, "{}", results.len());
    for result in results {
        let rule = &rules[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
        let related = result["relatedLocations"].as_array().into_iter().flatten();
        for location in result["locations"].as_array().unwrap().iter().chain(related) {
            let uri = location["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.starts_with("examples/") && !uri.contains("/./"), "{uri}");
        }
        let fingerprints = &result["partialFingerprints"];
        assert!(fingerprints["primaryLocationLineHash"].as_str().is_some_and(|hash| hash.contains(':')), "{result}");
    }
    for rule in rules {
        let score: f32 = rule["properties"]["security-severity"].as_str().unwrap().parse().unwrap();
        assert!(score > 0.0 && score <= 10.0, "{rule}");
        assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"), "{rule}");
    }
}

#[test]
fn names_that_are_no_uris_are_written_as_such() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a b#ü")).unwrap();
    fs::write(
        folder.path().join("a b#ü/compose.yaml"),
        "services:\n  db:\n    image: postgres\n    ports: ['5432:5432']\n",
    )
    .unwrap();
    let uri = |path: &str| {
        let log = sarif(folder.path(), &[path]).stdout;
        assert_eq!(mistakes(&log), "");
        let log: Value = serde_json::from_slice(&log).unwrap();
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        place.as_str().unwrap().to_owned()
    };
    assert_eq!(uri("."), "a%20b%23%C3%BC/compose.yaml");
    let absolute = folder.path().canonicalize().unwrap();
    let expected = format!("file://{}/a%20b%23%C3%BC/compose.yaml", absolute.display());
    assert_eq!(uri(absolute.to_str().unwrap()), expected);
}
