//! A proxy process: started, measured, ended.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The kernel counts processor time in ticks of 1/100 s on every Linux there is.
const TICK: Duration = Duration::from_millis(10);

/// A running proxy.
pub(crate) struct Proxy {
    child: Child,
    /// Where it listens.
    pub(crate) address: String,
}

/// Where everything is.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The proxy's binary.
    pub(crate) binary: PathBuf,
    /// The archive's folder.
    pub(crate) directory: PathBuf,
}

impl Proxy {
    /// Starts the proxy on the archive in `place`, with overrides of settings (`SELVAGE__...`).
    pub(crate) fn start(place: &Place, overrides: &[(&str, String)]) -> Result<Self> {
        let configuration = place.directory.join("configuration.json");
        std::fs::create_dir_all(&place.directory)?;
        std::fs::write(&configuration, CONFIGURATION)?;
        let mut command = Command::new(&place.binary);
        command.arg("--configuration").arg(&configuration).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env("SELVAGE_LOG", "info").envs(overrides.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().with_context(|| format!("starting {}", place.binary.display()))?;
        let stderr = BufReader::new(child.stderr.take().context("no standard error")?);
        let mut lines = stderr.lines();
        for line in lines.by_ref() {
            let line = line?;
            let record: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if record.get("message").and_then(|message| message.as_str()) == Some("listening") {
                let address = record.get("address").and_then(|address| address.as_str());
                let address = address.context("no address in the log")?.to_owned();
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { child, address });
            }
        }
        bail!("the proxy ended before it listened")
    }

    /// Processor time used so far, in seconds.
    pub(crate) fn cpu(&self) -> Result<f64> {
        cpu_of(&self.child.id().to_string())
    }

    /// The most memory it ever had resident, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // A drain would take its time; what was acknowledged is durable.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time that a process (`self` for this one) used so far, in seconds.
pub(crate) fn cpu_of(process: &str) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no such stat")?;
    let ticks = |n: usize| fields.split_whitespace().nth(n).and_then(|field| field.parse::<u32>().ok());
    let all = TICK * (ticks(11).context("no user time")? + ticks(12).context("no system time")?);
    Ok(all.as_secs_f64())
}

/// nginx serving files from `directory`, for comparison; `None` where it is not installed.
pub(crate) struct Nginx {
    child: Child,
}

impl Nginx {
    /// Starts nginx on `port`.
    pub(crate) fn start(directory: &Path, port: u16) -> Result<Option<Self>> {
        let configuration = directory.join("nginx.conf");
        let root = directory.display();
        let text = format!(
            "daemon off; user root; worker_processes 2; pid {root}/nginx.pid; error_log {root}/nginx.log;\n\
             events {{}}\nhttp {{ access_log off; sendfile on; tcp_nopush on; client_body_temp_path {root}/t1;\n\
             proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3; uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
        );
        std::fs::write(&configuration, text)?;
        let spawned = Command::new("nginx").arg("-c").arg(&configuration).stderr(Stdio::null()).spawn();
        let Ok(child) = spawned else { return Ok(None) };
        std::thread::sleep(Duration::from_millis(500));
        Ok(Some(Self { child }))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM would be kinder to its workers; they end when their master is gone and their sockets close.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// The archive of the benchmark: (1,10,3), one copy, 16 folders, fsync on, as shipped.
const CONFIGURATION: &str = r#"{ "archive": { "directory": "data" }, "proxy": { "listen": "127.0.0.1:0" },
  "storage": { "nodes": 16, "type": "directory", "replication_factor": 1 },
  "entanglement": { "type": "step", "configuration": { "s": 1, "t": 10, "p": 3 }, "selection": "mixed" },
  "metadata": { "type": "sqlite" }, "coordination": { "type": "file" } }"#;
