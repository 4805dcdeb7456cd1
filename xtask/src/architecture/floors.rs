//! What may depend on what.

use std::collections::BTreeSet;

use super::tree::{self, Dependency, Member};
use super::{assert_none, tree::text};

/// The floors, lowest first. A member depends on members of lower floors only.
const FLOORS: &[&[&str]] = &[
    &["types", "gf"],
    &["code", "storage", "metadata", "coordination"],
    &["coder", "config"],
    &["archive", "runtime"],
    &["proxy", "encoder", "repair", "scrub"],
    &["testkit", "bench", "xtask"],
];

/// Members that others use in tests, benchmarks and examples only.
const DEV_ONLY: &[&str] = &["testkit", "bench", "xtask"];

/// Members that are programs: they have arguments, and errors for people.
const BINARIES: &[&str] = &["proxy", "encoder", "repair", "scrub", "bench", "xtask"];

/// A library that belongs to some members.
struct Confined {
    library: &'static str,
    /// Who may use it.
    members: &'static [&'static [&'static str]],
    /// Who may use it in tests; `None` is everybody.
    dev: Option<&'static [&'static str]>,
    why: &'static str,
}

const CONFINED: &[Confined] = &[
    Confined { library: "actix-web", members: &[&["proxy"]], dev: None, why: "one crate speaks HTTP" },
    Confined {
        library: "rusqlite",
        members: &[&["metadata"]],
        dev: None,
        why: "SQLite is one backend of one trait",
    },
    Confined {
        library: "anyhow",
        members: &[&["runtime"], BINARIES],
        dev: None,
        why: "libraries have errors that callers can act on",
    },
    Confined {
        library: "clap",
        members: &[&["runtime"], BINARIES],
        dev: None,
        why: "only binaries have arguments",
    },
    Confined {
        library: "tracing-subscriber",
        members: &[&["runtime"]],
        dev: None,
        why: "where logs go is decided once",
    },
    Confined {
        library: "reed-solomon-erasure",
        members: &[],
        dev: Some(&["gf", "code", "archive"]),
        why: "it is the oracle that the kernel is compared with, never what runs",
    },
];

fn floor(member: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&member))
}

fn place(member: &Member, dependency: &Dependency) -> String {
    let manifest = text(&member.manifest).unwrap_or_default();
    let is_it = |line: &str| {
        line.strip_prefix(dependency.name.as_str()).is_some_and(|rest| rest.starts_with([' ', '.', '=']))
    };
    let line = manifest.lines().position(is_it).map_or(1, |line| line + 1);
    format!("{}:{line}", member.manifest)
}

#[test]
fn every_member_has_a_floor() {
    let homeless: Vec<String> = tree::members()
        .iter()
        .filter(|member| floor(&member.name).is_none())
        .map(|member| format!("{}: {} is not in FLOORS", member.manifest, member.name))
        .collect();
    assert_none(
        "every member of the workspace stands on a floor of xtask/src/architecture/floors.rs",
        &homeless,
    );
}

#[test]
fn dependencies_go_down_only() {
    let members = tree::members();
    let ours: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut broken = Vec::new();
    for member in &members {
        for dependency in member.dependencies.iter().filter(|dependency| !dependency.dev) {
            let name = dependency.name.as_str();
            if !ours.contains(name) {
                continue;
            }
            let (from, to) = (floor(&member.name), floor(name));
            if from <= to || DEV_ONLY.contains(&name) {
                let at = place(member, dependency);
                broken
                    .push(format!("{at}: {} (floor {from:?}) depends on {name} (floor {to:?})", member.name));
            }
        }
    }
    assert_none("dependencies go down only, with no edges inside a floor", &broken);
}

#[test]
fn libraries_stay_in_the_members_they_belong_to() {
    let mut broken = Vec::new();
    for member in tree::members() {
        for dependency in &member.dependencies {
            let Some(rule) = CONFINED.iter().find(|rule| rule.library == dependency.name) else { continue };
            let name = member.name.as_str();
            let used = rule.members.iter().any(|members| members.contains(&name));
            let used_in_tests = dependency.dev && rule.dev.is_none_or(|members| members.contains(&name));
            if !used && !used_in_tests {
                let at = place(&member, dependency);
                broken.push(format!("{at}: {name} uses {}, but {}", rule.library, rule.why));
            }
        }
    }
    assert_none("a library stays in the member it belongs to", &broken);
}

#[test]
fn every_member_takes_the_workspaces_lints() {
    let own = |member: &&Member| {
        let manifest = text(&member.manifest).unwrap_or_default();
        // The kernel has lints of its own: the workspace's forbid `unsafe`.
        member.name != "gf" && !manifest.contains("[lints]\nworkspace = true\n")
    };
    let broken: Vec<String> =
        tree::members().iter().filter(own).map(|member| member.manifest.clone()).collect();
    assert_none("every Cargo.toml says `[lints] workspace = true`", &broken);
}
