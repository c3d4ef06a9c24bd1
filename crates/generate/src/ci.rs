//! Jobs that check the files of every change.

use crate::{Artefact, Generated};

pub(crate) fn github() -> Generated {
    let text = "\
# Checks every change of the ports. Written by `portcullis generate github`.
name: ports
on:
  push: { branches: [main] }
  pull_request:
permissions:
  contents: read
  security-events: write
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with: { fetch-depth: 0 }
      - name: Install Portcullis
        run: cargo install --locked --git https://github.com/portcullis-proxy/portcullis portcullis
      - name: Check all files
        run: portcullis check . --format sarif --output ports.sarif
      - name: Show the findings beside the code
        if: always()
        uses: github/codeql-action/upload-sarif@v3
        with: { sarif_file: ports.sarif, category: portcullis }
      - name: Say what the change exposes
        if: github.event_name == 'pull_request'
        run: |
          git worktree add ../base \"origin/$GITHUB_BASE_REF\"
          portcullis check --diff ../base . --format markdown >> \"$GITHUB_STEP_SUMMARY\" || test $? -eq 1
";
    one(".github/workflows/ports.yml", text)
}

pub(crate) fn gitlab() -> Generated {
    let text = "\
# Checks every change of the ports. Written by `portcullis generate gitlab`.
ports:
  image: rust:1-bookworm
  stage: test
  before_script:
    - cargo install --locked --git https://github.com/portcullis-proxy/portcullis portcullis
  script:
    - portcullis check . --format gitlab --output ports.codequality.json
  after_script:
    - portcullis check . --fail-on never
  artifacts:
    when: always
    reports:
      codequality: ports.codequality.json
";
    one("ports.gitlab-ci.yml", text)
}

fn one(name: &str, text: &str) -> Generated {
    Generated { artefacts: vec![Artefact { name: name.to_owned(), text: text.to_owned() }], notes: Vec::new() }
}
