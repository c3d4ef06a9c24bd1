//! What holds for any bytes in any format.

use std::path::Path;

use portcullis_lint::{
    FORMATS,
    finding::Finding,
    inputs::{FileId, Inputs, Span},
};

/// Has one format read the files, whether it would recognise them or not.
pub fn read(name: &str, files: &[(&str, &[u8])]) {
    let inputs = Inputs::default();
    let added = files.iter().filter_map(|(path, bytes)| inputs.add(Path::new(path), bytes.to_vec()).ok());
    let ids: Vec<FileId> = added.collect();
    let format = FORMATS.iter().find(|format| format.name == name).expect("a format of that name");
    for finding in (format.check)(&inputs, &ids).findings {
        lies_within(&finding, &inputs);
    }
}

/// Every place of a finding, and every change that would mend it, is text of its file.
pub fn lies_within(finding: &Finding, inputs: &Inputs) {
    let edits = finding.fix.iter().flat_map(|fix| &fix.edits).map(|edit| edit.span);
    let related = finding.related.iter().map(|(span, _)| *span);
    for Span { file, start, end } in edits.chain(related).chain([finding.span]) {
        assert!(inputs.text(file).get(start as usize..end as usize).is_some(), "{finding:?}");
    }
}
