//! What stands in no file of the project, source or not.

use super::assert_none;
use super::tree;

/// Folders of one machine; in two pieces, so that this file does not break its own rule.
const MACHINE_FOLDERS: &[&str] = &[concat!("/", "root/"), concat!("/", "work/"), concat!("/", "home/")];

/// Whether a path can begin after this character: it does not after a name, a variable or another folder.
fn begins_path(before: Option<char>) -> bool {
    before.is_none_or(|before| !before.is_alphanumeric() && !"._-~/})*".contains(before))
}

fn machine_folder(line: &str) -> Option<&'static str> {
    MACHINE_FOLDERS
        .iter()
        .copied()
        .find(|folder| line.match_indices(folder).any(|(at, _)| begins_path(line[..at].chars().next_back())))
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let mut broken = Vec::new();
    for file in tree::files() {
        // What is not text is test data.
        let text = tree::text(&file).unwrap_or_default();
        for (at, line) in text.lines().enumerate() {
            if let Some(folder) = machine_folder(line) {
                broken.push(format!("{file}:{}: {folder}", at + 1));
            }
        }
    }
    assert_none("no file names a folder of one machine", &broken);
}

#[test]
fn folders_of_one_machine_are_told_from_parts_of_paths() {
    let folder = MACHINE_FOLDERS[1];
    for (line, is_one) in [
        (format!("cd {folder}main"), true),
        (format!("\"{folder}\""), true),
        (format!("x={folder}"), true),
        (format!("target{folder}x"), false),
        (format!("${{DIR}}{folder}x"), false),
        (format!(".{folder}x"), false),
        ("workspace".to_owned(), false),
    ] {
        assert_eq!(machine_folder(&line).is_some(), is_one, "{line}");
    }
}
