//! A connection without a client's good manners: for requests that no client would send.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::Response;

/// Longest wait for a byte, or for room to send one.
const TIME_MAX: Duration = Duration::from_secs(60);

/// A TCP connection that reads HTTP answers.
#[derive(Debug)]
pub struct RawConnection {
    stream: BufReader<TcpStream>,
}

impl RawConnection {
    /// Connects.
    #[must_use]
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connects");
        stream.set_read_timeout(Some(TIME_MAX)).expect("takes a time-out");
        stream.set_write_timeout(Some(TIME_MAX)).expect("takes a time-out");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sends");
    }

    /// Sends these bytes, if the other side takes them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("shuts down");
    }

    /// Reads an answer to a request that was not HEAD.
    pub fn response(&mut self) -> Response {
        self.try_response(true).expect("an answer")
    }

    /// Reads the head of an answer only.
    pub fn head(&mut self) -> Response {
        self.try_response(false).expect("the head of an answer")
    }

    /// Reads an answer, its body only if `with_body`; `Err` if it is none or is cut short.
    pub fn try_response(&mut self, with_body: bool) -> std::io::Result<Response> {
        let status_line = self.line()?;
        let status = status_line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid(&format!("no status line: {status_line:?}")))?;
        let mut response = Response { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| invalid("a header without a colon"))?;
            response.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if with_body && status >= 200 && status != 304 {
            response.body = self.body(&response)?;
        }
        Ok(response)
    }

    /// Reads this many bytes.
    pub fn bytes(&mut self, count: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads until the other side closes.
    pub fn rest(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn body(&mut self, response: &Response) -> std::io::Result<Vec<u8>> {
        if response.header("transfer-encoding") == Some("chunked") {
            return self.chunks();
        }
        match response.header("content-length").and_then(|length| length.parse().ok()) {
            Some(length) => self.bytes(length),
            None => self.rest(),
        }
    }

    fn chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let line = self.line()?;
            let length = usize::from_str_radix(&line, 16).map_err(|_| invalid("no chunk"))?;
            bytes.extend(self.bytes(length)?);
            self.line()?;
            if length == 0 {
                return Ok(bytes);
            }
        }
    }

    /// A line without its end.
    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

fn invalid(text: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, text.to_owned())
}
