//! Telling that losses look deliberate.

use anyhow::Result;
use archive::audit::StandingPolicy;
use metadata::Codeword;
use serde_json::json;

use crate::assemble::Opened;
use crate::output::Output;

/// Alarms told one by one: they all cry about the same.
const TOLD_MAX: usize = 10;

/// Tells the losses, by the ledger, that independent failures of nodes do not explain; how many there are. To be asked
/// between audit and repair: afterwards nobody knows any more.
pub(crate) async fn ring(opened: &Opened, standing: StandingPolicy, output: &Output) -> Result<usize> {
    let alarms = opened.archive.loss_alarms(standing).await?;
    let references: Vec<_> = alarms.iter().take(TOLD_MAX).map(|alarm| alarm.codeword).collect();
    let codewords = opened.metadata.codewords(&references).await?;
    for (alarm, codeword) in alarms.iter().zip(codewords) {
        let name = codeword.map(|codeword: Codeword| codeword.name.to_string()).unwrap_or_default();
        let (segment, expected) = (alarm.codeword.segment, alarm.expected);
        tracing::error!(
            document = name,
            segment,
            lost = alarm.lost,
            blocks = alarm.blocks,
            expected,
            surprise = alarm.surprise,
            "losses look deliberate"
        );
        output.object(&json!({
            "type": "alarm",
            "document": name,
            "segment": segment,
            "blocks": alarm.blocks,
            "lost": alarm.lost,
            "expected": expected,
            "surprise": alarm.surprise,
        }));
        output.line(format_args!(
            "ALARM: of {} blocks around segment {segment} of {name} {} are lost, where failures of nodes explain \
             {expected:.1}: this looks deliberate",
            alarm.blocks, alarm.lost
        ));
    }
    Ok(alarms.len())
}
