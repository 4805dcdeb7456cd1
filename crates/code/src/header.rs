//! What a stored block says of itself, in front of its payload.
//!
//! `docs/FORMAT.md` draws it byte by byte. Numbers are little-endian; identifiers and hashes are bytes in order.
//! The headers of an archive's blocks hold, together, everything that the metadata store knows.

use types::{
    ArchiveId, BlockId, CodeParameters, DocumentId, DocumentName, Hash, LengthClass, Timestamp, UserMetadata,
};

mod cursor;

use cursor::{Reader, Writer};

/// What every block begins with.
pub const MAGIC: [u8; 8] = *b"SELVAGE\x1a";
/// The version of the format that is written.
pub const VERSION: u16 = 1;
/// Bytes that say how long the header is: magic, version, flags, length.
pub const PREFIX_BYTES: usize = 16;
/// Longest header, in bytes: names, types and user metadata are bounded, so that this holds with any code.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Longest media type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;
/// Most names and values of user metadata.
pub const USER_METADATA_ENTRIES_MAX: usize = 64;
/// Most bytes of user metadata, names and values together.
pub const USER_METADATA_BYTES_MAX: usize = 4096;

/// Headers are filled up to a multiple of this, so that the payload begins at a cache line.
const ALIGNMENT: usize = 64;
/// In the flags: the block is of the document's last segment and holds an [`Ending`].
const FLAG_ENDING: u16 = 1;
/// In a pointer: it is an anchor.
const POINTER_ANCHOR: u8 = 0;
/// In a pointer: it is a block.
const POINTER_BLOCK: u8 = 1;

/// A pointer as a header names it: headers must stand alone, so by the document's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderPointer {
    /// The anchor of this number.
    Anchor(u8),
    /// A parity of an older document.
    Block(BlockId),
}

/// What is known of a document only at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// Bytes of the document.
    pub length: u64,
    /// BLAKE3 of the document.
    pub hash: Hash,
    /// How many segments it has.
    pub segments: u32,
    /// When it was made.
    pub created: Timestamp,
    /// Its media type, empty if none was given.
    pub content_type: Option<String>,
    /// What the client wants to be told again.
    pub user_metadata: UserMetadata,
}

/// The header of a stored block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockHeader {
    /// The archive.
    pub archive: ArchiveId,
    /// Document, segment and parity number.
    pub id: BlockId,
    /// The document's name.
    pub name: DocumentName,
    /// The codeword's code.
    pub parameters: CodeParameters,
    /// The payload's length.
    pub class: LengthClass,
    /// Bytes of the document in this segment.
    pub segment_length: u64,
    /// Bytes of the document before this segment: a block tells its place without any other.
    pub segment_offset: u64,
    /// BLAKE3 of the payload.
    pub payload_hash: Hash,
    /// BLAKE3 of the segment's bytes, without padding.
    pub segment_hash: Hash,
    /// The codeword's pointers, in symbol order: `t` of them.
    pub pointers: Vec<HeaderPointer>,
    /// In blocks of the last segment only.
    pub ending: Option<Ending>,
}

/// Why bytes are no header, or values cannot be written as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end before the header does.
    #[error("the block ends inside its header")]
    Truncated,
    /// Not a block of ours.
    #[error("not a block: the first bytes are not the magic ones")]
    Magic,
    /// A format that this program does not know.
    #[error("format version {0} is not known here; 1 is")]
    Version(u16),
    /// Altered or damaged.
    #[error("the header does not match its own hash")]
    Hash,
    /// Whole, but impossible.
    #[error("impossible header: {0}")]
    Invalid(String),
}

fn invalid(reason: impl std::fmt::Display) -> HeaderError {
    HeaderError::Invalid(reason.to_string())
}

/// Refuses a media type or user metadata that a header has no room for.
pub fn check_attributes(content_type: Option<&str>, user_metadata: &UserMetadata) -> Result<(), HeaderError> {
    if let Some(length) = content_type.map(str::len)
        && !(1..=CONTENT_TYPE_BYTES_MAX).contains(&length)
    {
        return Err(invalid(format_args!(
            "a media type of {length} bytes; 1 to {CONTENT_TYPE_BYTES_MAX} are allowed"
        )));
    }
    let bytes: usize = user_metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if user_metadata.len() > USER_METADATA_ENTRIES_MAX || bytes > USER_METADATA_BYTES_MAX {
        return Err(invalid(format_args!(
            "{} entries of user metadata with {bytes} bytes; at most {USER_METADATA_ENTRIES_MAX} with \
             {USER_METADATA_BYTES_MAX} are allowed",
            user_metadata.len()
        )));
    }
    Ok(())
}

/// The length of the header that begins with `prefix`, of which [`PREFIX_BYTES`] bytes are looked at.
pub fn header_length(prefix: &[u8]) -> Result<usize, HeaderError> {
    let mut reader = Reader::new(prefix);
    if reader.array::<8>()? != MAGIC {
        return Err(HeaderError::Magic);
    }
    let version = reader.u16()?;
    if version != VERSION {
        return Err(HeaderError::Version(version));
    }
    let _flags = reader.u16()?;
    let length = reader.u32()? as usize;
    if !length.is_multiple_of(ALIGNMENT) || !(PREFIX_BYTES + Hash::BYTES..=HEADER_BYTES_MAX).contains(&length)
    {
        return Err(invalid(format_args!("a length of {length} bytes")));
    }
    Ok(length)
}

/// The payload of a stored block, whose header is not looked at but for its length.
pub fn payload(block: &[u8]) -> Result<&[u8], HeaderError> {
    block.get(header_length(block)?..).ok_or(HeaderError::Truncated)
}

impl BlockHeader {
    /// The header's bytes.
    pub fn encode(&self) -> Result<Vec<u8>, HeaderError> {
        self.check()?;
        let mut writer = Writer::default();
        writer.bytes(&MAGIC);
        writer.u16(VERSION);
        writer.u16(if self.ending.is_some() { FLAG_ENDING } else { 0 });
        writer.u32(0); // the length, written when it is known
        writer.bytes(self.archive.as_bytes());
        writer.bytes(self.id.document.as_bytes());
        writer.u32(self.id.segment);
        writer.u8(self.id.parity);
        writer.bytes(&self.parameters.to_bytes());
        writer.u64(self.class.bytes() as u64);
        writer.u64(self.segment_length);
        writer.u64(self.segment_offset);
        writer.bytes(self.payload_hash.as_bytes());
        writer.bytes(self.segment_hash.as_bytes());
        writer.text(self.name.as_str())?;
        for pointer in &self.pointers {
            write_pointer(&mut writer, pointer);
        }
        if let Some(ending) = &self.ending {
            write_ending(&mut writer, ending)?;
        }
        writer.seal(ALIGNMENT, HEADER_BYTES_MAX)
    }

    /// Reads the header in front of `block` and returns it with the payload that follows, which is not verified
    /// but for its length.
    pub fn decode(block: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let length = header_length(block)?;
        let (header, payload) = block.split_at_checked(length).ok_or(HeaderError::Truncated)?;
        let (body, hash) = header.split_at_checked(length - Hash::BYTES).ok_or(HeaderError::Truncated)?;
        if Hash::of(body).as_bytes() != hash {
            return Err(HeaderError::Hash);
        }
        let decoded = Self::decode_body(body)?;
        if payload.len() != decoded.class.bytes() {
            return Err(invalid(format_args!("a payload of {} bytes, not {}", payload.len(), decoded.class)));
        }
        Ok((decoded, payload))
    }

    fn decode_body(body: &[u8]) -> Result<Self, HeaderError> {
        let mut reader = Reader::new(body);
        reader.array::<10>()?; // magic and version, looked at by `header_length`
        let flags = reader.u16()?;
        reader.u32()?;
        if flags & !FLAG_ENDING != 0 {
            return Err(invalid(format_args!("unknown flags {flags:#06x}")));
        }
        let archive = ArchiveId::from_bytes(reader.array()?);
        let document = DocumentId::from_bytes(reader.array()?);
        let (segment, parity) = (reader.u32()?, reader.u8()?);
        let [s, t, p] = reader.array()?;
        let parameters = CodeParameters::new(s.into(), t.into(), p.into()).map_err(invalid)?;
        let class = LengthClass::of_bytes(reader.u64()?).map_err(invalid)?;
        let segment_length = reader.u64()?;
        let segment_offset = reader.u64()?;
        let payload_hash = Hash::from_bytes(reader.array()?);
        let segment_hash = Hash::from_bytes(reader.array()?);
        let name = DocumentName::new(&reader.text()?).map_err(invalid)?;
        let pointers = (0..parameters.t()).map(|_| read_pointer(&mut reader)).collect::<Result<_, _>>()?;
        let ending = if flags & FLAG_ENDING == 0 { None } else { Some(read_ending(&mut reader)?) };
        reader.padding(ALIGNMENT)?;
        let id = BlockId::new(document, segment, parity);
        let header = Self {
            archive,
            id,
            name,
            parameters,
            class,
            segment_length,
            segment_offset,
            payload_hash,
            segment_hash,
            pointers,
            ending,
        };
        header.check()?;
        Ok(header)
    }

    /// What must hold of a header that is written and of one that is read.
    fn check(&self) -> Result<(), HeaderError> {
        let parameters = self.parameters;
        if self.pointers.len() != parameters.t() {
            return Err(invalid(format_args!("{} pointers for {parameters}", self.pointers.len())));
        }
        if usize::from(self.id.parity) >= parameters.p() {
            return Err(invalid(format_args!("parity {} of {parameters}", self.id.parity)));
        }
        if self.segment_length == 0 || self.segment_length > (parameters.s() * self.class.bytes()) as u64 {
            return Err(invalid(format_args!(
                "{} bytes in {} blocks of {}",
                self.segment_length,
                parameters.s(),
                self.class
            )));
        }
        if (self.id.segment == 0) != (self.segment_offset == 0) {
            return Err(invalid(format_args!("segment {} at byte {}", self.id.segment, self.segment_offset)));
        }
        self.ending.as_ref().map_or(Ok(()), |ending| self.check_ending(ending))
    }

    fn check_ending(&self, ending: &Ending) -> Result<(), HeaderError> {
        check_attributes(ending.content_type.as_deref(), &ending.user_metadata)?;
        let segment = self.id.segment;
        if segment.checked_add(1) != Some(ending.segments) {
            return Err(invalid(format_args!("segment {segment} ends a document of {}", ending.segments)));
        }
        if self.segment_offset.checked_add(self.segment_length) != Some(ending.length) {
            return Err(invalid(format_args!(
                "{} bytes at {} end a document of {}",
                self.segment_length, self.segment_offset, ending.length
            )));
        }
        if ending.segments == 1 && ending.hash != self.segment_hash {
            return Err(invalid("the only segment's hash is not the document's"));
        }
        Ok(())
    }
}

fn write_pointer(writer: &mut Writer, pointer: &HeaderPointer) {
    match pointer {
        HeaderPointer::Anchor(index) => {
            writer.u8(POINTER_ANCHOR);
            writer.u8(*index);
            writer.bytes(&[0; 20]);
        }
        HeaderPointer::Block(id) => {
            writer.u8(POINTER_BLOCK);
            writer.u8(id.parity);
            writer.u32(id.segment);
            writer.bytes(id.document.as_bytes());
        }
    }
}

fn read_pointer(reader: &mut Reader<'_>) -> Result<HeaderPointer, HeaderError> {
    let (kind, number) = (reader.u8()?, reader.u8()?);
    let (segment, document) = (reader.u32()?, reader.array::<16>()?);
    match kind {
        POINTER_ANCHOR if segment == 0 && document == [0; 16] => Ok(HeaderPointer::Anchor(number)),
        POINTER_BLOCK => {
            Ok(HeaderPointer::Block(BlockId::new(DocumentId::from_bytes(document), segment, number)))
        }
        _ => Err(invalid(format_args!("a pointer of kind {kind}"))),
    }
}

fn write_ending(writer: &mut Writer, ending: &Ending) -> Result<(), HeaderError> {
    writer.u64(ending.length);
    writer.bytes(ending.hash.as_bytes());
    writer.u32(ending.segments);
    writer.i64(ending.created.as_millis());
    writer.text(ending.content_type.as_deref().unwrap_or_default())?;
    writer.u16(u16::try_from(ending.user_metadata.len()).map_err(invalid)?);
    for (name, value) in &ending.user_metadata {
        writer.text(name)?;
        writer.text(value)?;
    }
    Ok(())
}

fn read_ending(reader: &mut Reader<'_>) -> Result<Ending, HeaderError> {
    let length = reader.u64()?;
    let hash = Hash::from_bytes(reader.array()?);
    let segments = reader.u32()?;
    let created = Timestamp::from_millis(reader.i64()?);
    let content_type = Some(reader.text()?).filter(|text| !text.is_empty());
    let entries = reader.u16()?;
    if usize::from(entries) > USER_METADATA_ENTRIES_MAX {
        return Err(invalid(format_args!("{entries} entries of user metadata")));
    }
    let user_metadata: UserMetadata =
        (0..entries).map(|_| Ok((reader.text()?, reader.text()?))).collect::<Result<_, HeaderError>>()?;
    Ok(Ending { length, hash, segments, created, content_type, user_metadata })
}

#[cfg(test)]
mod tests;
