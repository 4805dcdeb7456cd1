//! What the daemons and their operator tell each other through the metadata store: who leads, whether to pause, how
//! the last run ended.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use config::Configuration;
use metadata::{Damage, MetadataStore};
use runtime::ExitStatus;
use serde_json::{Value, json};
use types::ErrorKind;

use crate::assemble;
use crate::output::Output;

/// The group of all daemons.
pub(crate) const DAEMONS: &str = "repair/daemons";

const LEADER: &str = "repair/leader";
const PAUSED: &str = "repair/paused";
const LAST: &str = "repair/last";

/// How often a lost race for a value is run again: each time somebody else changed it.
const RACES_MAX: usize = 16;

/// Bytes of names of lost documents that are kept; a value of the store has its limit, and the ledger has them all.
const NAMES_BYTES_MAX: usize = 32 * 1024;

/// Entries of the ledger read at a time.
const PAGE: usize = 1024;

/// Replaces a value, whatever it was.
async fn set(metadata: &dyn MetadataStore, key: &str, value: Option<&Value>) -> types::Result<()> {
    let bytes = value.map(|value| value.to_string().into_bytes());
    for _ in 1..RACES_MAX {
        let known = metadata.state(key).await?;
        match metadata.set_state(key, known.as_deref(), bytes.as_deref()).await {
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            done => return done,
        }
    }
    let known = metadata.state(key).await?;
    metadata.set_state(key, known.as_deref(), bytes.as_deref()).await
}

/// A value; what cannot be read as one is none.
async fn get(metadata: &dyn MetadataStore, key: &str) -> types::Result<Option<Value>> {
    Ok(metadata.state(key).await?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// Whether repair is paused.
pub(crate) async fn is_paused(metadata: &dyn MetadataStore) -> types::Result<bool> {
    Ok(metadata.state(PAUSED).await?.is_some())
}

/// Tells who leads.
pub(crate) async fn set_leader(metadata: &dyn MetadataStore, id: &str) -> types::Result<()> {
    let leader =
        json!({ "id": id, "process": assemble::process_name(), "since": assemble::now().to_string() });
    set(metadata, LEADER, Some(&leader)).await
}

/// Keeps how a run ended. That it cannot be kept ends no run.
pub(crate) async fn record(metadata: &dyn MetadataStore, last: &Value) {
    if let Err(error) = set(metadata, LAST, Some(last)).await {
        tracing::warn!(%error, "how the run ended cannot be kept for `repair status`");
    }
}

/// As many of the names as are kept.
pub(crate) fn names_that_fit(names: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |name: &String| {
        // Quotes, a comma, and each character escaped at worst.
        bytes += 6 * name.len() + 3;
        bytes <= NAMES_BYTES_MAX
    };
    names.into_iter().take_while(fits).collect()
}

/// `repair pause`, `repair resume`.
pub(crate) async fn pause(configuration: &Configuration, output: &Output, pause: bool) -> Result<ExitStatus> {
    let metadata = assemble::backends(configuration).await?.metadata;
    let since = json!({ "since": assemble::now().to_string(), "by": assemble::process_name() });
    let already = is_paused(&*metadata).await? == pause;
    if !already {
        set(&*metadata, PAUSED, pause.then_some(&since)).await?;
    }
    let text = match (pause, already) {
        (true, false) => "paused: daemons stop what they do and start nothing until `repair resume`",
        (true, true) => "paused already",
        (false, false) => "resumed",
        (false, true) => "not paused",
    };
    output.either(&json!({ "type": if pause { "paused" } else { "resumed" }, "already": already }), text);
    Ok(ExitStatus::Ok)
}

/// `repair status`.
pub(crate) async fn status(configuration: &Configuration, output: &Output) -> Result<ExitStatus> {
    let backends = assemble::backends(configuration).await?;
    let metadata = &*backends.metadata;
    let members = backends.coordinator.members(DAEMONS).await?;
    let leader = get(metadata, LEADER).await?;
    // A leader that died left its name behind.
    let lives = |leader: &Value| {
        let id = leader.get("id").and_then(Value::as_str).unwrap_or_default();
        members.iter().any(|member| member.id.to_string() == id)
    };
    let leader = leader.filter(lives);
    let paused = get(metadata, PAUSED).await?;
    let last = get(metadata, LAST).await?;
    let backlog = backlog(metadata).await?;
    let status = json!({
        "type": "status",
        "leader": leader,
        "standbys": members.len() - usize::from(leader.is_some()),
        "paused": paused,
        "ledger": backlog,
        "last": last,
    });
    output.object(&status);
    tell(&status, output).ok_or_else(|| anyhow!("the status has no text"))?;
    Ok(ExitStatus::Ok)
}

/// Entries of the damage ledger, by kind.
async fn backlog(metadata: &dyn MetadataStore) -> types::Result<BTreeMap<String, u64>> {
    let mut counts = BTreeMap::new();
    let mut after: Option<Damage> = None;
    loop {
        let page = metadata.damage(after.as_ref(), PAGE).await?;
        for damage in &page {
            *counts.entry(format!("{:?}", damage.kind).to_lowercase()).or_default() += 1;
        }
        if page.len() < PAGE {
            return Ok(counts);
        }
        after = page.into_iter().next_back();
    }
}

fn tell(status: &Value, output: &Output) -> Option<()> {
    let words = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let named = |key: &str, what: &str| status.get(key)?.get(what).map(words);
    let leader = named("leader", "process").map_or_else(
        || "none".to_owned(),
        |process| format!("{process}, since {}", named("leader", "since").unwrap_or_default()),
    );
    output.line(format_args!("leader:   {leader}; {} standing by", status.get("standbys")?));
    let paused = named("paused", "since").map_or_else(|| "no".to_owned(), |since| format!("since {since}"));
    output.line(format_args!("paused:   {paused}"));
    let ledger = status.get("ledger")?.as_object()?;
    let counts: Vec<String> = ledger.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    output.line(format_args!(
        "damage:   {}",
        if counts.is_empty() { "none known".to_owned() } else { counts.join(", ") }
    ));
    match named("last", "ended") {
        None => output.line("last run: none"),
        Some(ended) => {
            let of = |key: &str| named("last", key).unwrap_or_default();
            output.line(format_args!("last run: ended {ended} by {}, {} blocks left", of("by"), of("left")));
            output.line(format_args!("lost:     {} documents", of("lost_documents")));
            let lost = status.get("last").and_then(|last| last.get("lost")).and_then(Value::as_array);
            for name in lost.into_iter().flatten() {
                output.line(format_args!("  {}", words(name)));
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_up_to_a_limit() {
        assert_eq!(names_that_fit(vec!["a".to_owned(), "b".to_owned()]).len(), 2);
        let many = names_that_fit(vec!["x".repeat(1024); 100]);
        assert!(!many.is_empty() && many.len() < 100);
    }
}
