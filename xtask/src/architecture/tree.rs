//! The workspace: its files, its members and what they depend on.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A member of the workspace.
pub(super) struct Member {
    pub(super) name: String,
    /// Its `Cargo.toml`, from the root.
    pub(super) manifest: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// A line of a member's `Cargo.toml`.
pub(super) struct Dependency {
    /// The library's own name, even if it is renamed here.
    pub(super) name: String,
    /// Whether only tests, benchmarks and examples use it.
    pub(super) dev: bool,
}

/// The folder of the workspace.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} {arguments:?}: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// The members of the workspace.
pub(super) fn members() -> Vec<Member> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments = ["metadata", "--no-deps", "--format-version", "1", "--offline"];
    let metadata: Value = serde_json::from_str(&output_of(&cargo, &arguments)).unwrap();
    metadata["packages"].as_array().unwrap().iter().map(member).collect()
}

fn member(package: &Value) -> Member {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let dependency = |dependency: &Value| Dependency {
        name: dependency["name"].as_str().unwrap().to_owned(),
        dev: dependency["kind"] == "dev",
    };
    Member {
        name: package["name"].as_str().unwrap().to_owned(),
        manifest: manifest.strip_prefix(root()).unwrap_or(manifest).display().to_string(),
        dependencies: package["dependencies"].as_array().unwrap().iter().map(dependency).collect(),
    }
}

/// The files of the project, from the root: what git tracks, and what it would if it were added.
pub(super) fn files() -> Vec<String> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listing = output_of("git", &arguments);
    let there = |name: &&str| !name.is_empty() && root().join(name).is_file();
    listing.split('\0').filter(there).map(str::to_owned).collect()
}

/// The text of a file, if it is one.
pub(super) fn text(file: &str) -> Option<String> {
    std::fs::read_to_string(root().join(file)).ok()
}

#[test]
fn the_tree_is_found() {
    assert!(files().iter().any(|file| file == "xtask/src/architecture/tree.rs"));
    assert!(members().iter().any(|member| member.manifest == "xtask/Cargo.toml"));
}
