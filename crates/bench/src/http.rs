//! A load generator's HTTP/1.1 client: one connection kept open, nothing parsed that is not needed, bodies read into
//! one buffer and thrown away, so that little of the machine goes to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A connection to the proxy.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer whose body was read to its end.
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) bytes: u64,
    /// From sending the request to the first byte of the answer's body.
    pub(crate) first_byte: Duration,
}

impl Client {
    /// Connects to `address`.
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), buffer: vec![0; 256 * 1024] })
    }

    /// PUTs `body` under `path`; anything but 201 is an error.
    pub(crate) fn put(&mut self, path: &str, body: &[u8]) -> Result<()> {
        self.put_pieces(path, body.len() as u64, std::iter::once(body))
    }

    /// PUTs a body that is made piece by piece.
    pub(crate) fn put_pieces<'a>(
        &mut self,
        path: &str,
        length: u64,
        pieces: impl Iterator<Item = &'a [u8]>,
    ) -> Result<()> {
        let stream = self.stream.get_mut();
        write!(stream, "PUT {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n")?;
        for piece in pieces {
            stream.write_all(piece)?;
        }
        let answer = self.answer(Instant::now())?;
        if answer.status != 201 {
            bail!("PUT {path}: status {}", answer.status);
        }
        Ok(())
    }

    /// GETs `path` and throws the body away; anything but 200 is an error.
    pub(crate) fn get(&mut self, path: &str) -> Result<Answer> {
        let begin = Instant::now();
        write!(self.stream.get_mut(), "GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n")?;
        let answer = self.answer(begin)?;
        if answer.status != 200 {
            bail!("GET {path}: status {}", answer.status);
        }
        Ok(answer)
    }

    fn answer(&mut self, begin: Instant) -> Result<Answer> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status =
            line.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status line")?;
        let mut length = None;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("connection closed inside the head");
            }
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse::<u64>().ok();
            }
        }
        let length = length.context("an answer without Content-Length")?;
        let mut left = length;
        let mut first_byte = begin.elapsed();
        while left > 0 {
            let room = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let read = self.stream.read(self.buffer.get_mut(..room).unwrap_or_default())?;
            if read == 0 {
                bail!("connection closed with {left} bytes to come");
            }
            if left == length {
                first_byte = begin.elapsed();
            }
            left -= read as u64;
        }
        Ok(Answer { status, bytes: length, first_byte })
    }
}
