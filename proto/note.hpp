// Signed notes: C2SP signed-note, and the Go checksum database's golang.org/x/mod/sumdb/note before
// it.
//
//   <text, lines>
//   <empty line>
//   — <name> <base64(key id, 4 bytes ‖ signature)>
//   ...
//
// The dash is U+2014. What is signed is the text with its last newline and without the empty line.
// Parsing takes nothing that has another spelling; it knows no keys and checks no signatures.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/base64.hpp"
#include "proto/bytes.hpp"
#include "proto/utf8.hpp"

namespace xase::proto {

using KeyId = std::array<std::byte, 4>;

inline constexpr std::size_t kNoteBytesMax = std::size_t{128} << 10;
inline constexpr std::size_t kNoteSignaturesMax = 16;
// Of one signature, without the key id. Room for those of algorithms to come (ML-DSA-44: 2420).
inline constexpr std::size_t kNoteSignatureBytesMax = 4096;
inline constexpr std::size_t kNoteNameBytesMax = 512;
inline constexpr std::string_view kNoteSignatureStart = "\xe2\x80\x94 ";

// What is wrong with a note, a verifier key or a checkpoint.
enum class NoteFault : std::uint8_t {
  kNone,
  kTooLong,
  kNotUtf8,
  kControlCharacter,
  kNoText,
  kNoSignatures,
  kTooManySignatures,
  kSignatureLine,
  kName,
  kBase64,
  kSignatureBytes,
  kVerifierKey,
  kAlgorithm,
  kKeyBytes,
  kKeyId,
  kOrigin,
  kSize,
  kRoot,
  kExtensionLines,
};

constexpr std::string_view note_fault_text(NoteFault fault) noexcept {
  switch (fault) {
    case NoteFault::kNone:
      return "nothing is wrong";
    case NoteFault::kTooLong:
      return "the note is longer than 128 KiB";
    case NoteFault::kNotUtf8:
      return "the note is not UTF-8";
    case NoteFault::kControlCharacter:
      return "the note holds a control character";
    case NoteFault::kNoText:
      return "the note has no text that ends in a newline";
    case NoteFault::kNoSignatures:
      return "the note has no signature lines behind an empty line";
    case NoteFault::kTooManySignatures:
      return "the note has more than 16 signatures";
    case NoteFault::kSignatureLine:
      return "a signature line is not \"\u2014 name base64\" with a newline";
    case NoteFault::kName:
      return "a key name is empty, too long, or holds a space or a plus sign";
    case NoteFault::kBase64:
      return "base64 is not in its canonical form";
    case NoteFault::kSignatureBytes:
      return "a signature has no bytes or too many";
    case NoteFault::kVerifierKey:
      return "a verifier key is not name+8 hex digits+base64";
    case NoteFault::kAlgorithm:
      return "the key's algorithm is not known here";
    case NoteFault::kKeyBytes:
      return "the key's bytes are none of its algorithm";
    case NoteFault::kKeyId:
      return "the key id is not that of the key";
    case NoteFault::kOrigin:
      return "the checkpoint's first line is no origin";
    case NoteFault::kSize:
      return "the checkpoint's second line is no tree size";
    case NoteFault::kRoot:
      return "the checkpoint's third line is no root hash";
    case NoteFault::kExtensionLines:
      return "the checkpoint has more than three lines";
  }
  return "unknown";
}

// A value, or what is wrong with the bytes that should have held it.
template <class T>
struct Parsed {
  NoteFault fault = NoteFault::kNone;
  T value{};

  Parsed(NoteFault why) : fault(why) {}       // NOLINT(google-explicit-constructor)
  Parsed(T what) : value(std::move(what)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const noexcept { return fault == NoteFault::kNone; }
  const T& operator*() const noexcept { return value; }
  const T* operator->() const noexcept { return &value; }
};

struct NoteSignature {
  std::string name;
  KeyId key_id{};
  std::vector<std::byte> signature;
};

struct Note {
  std::string text;
  std::vector<NoteSignature> signatures;  // in the order of their lines
};

// The faults that any text of a note can have; lines may be empty.
inline NoteFault note_text_fault(std::string_view text) noexcept {
  if (text.size() > kNoteBytesMax) return NoteFault::kTooLong;
  if (text.empty() || text.back() != '\n') return NoteFault::kNoText;
  while (!text.empty()) {
    const auto character = take_utf8(text);
    if (!character) return NoteFault::kNotUtf8;
    if (is_control(*character) && *character != '\n') return NoteFault::kControlCharacter;
  }
  return NoteFault::kNone;
}

inline bool is_note_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > kNoteNameBytesMax) return false;
  while (!name.empty()) {
    const auto character = take_utf8(name);
    if (!character || is_control(*character) || is_white_space(*character) || *character == '+') {
      return false;
    }
  }
  return true;
}

// One line, newline included; the name is one that is_note_name() takes.
inline std::string format_note_signature(const NoteSignature& signature) {
  std::vector<std::byte> bytes(signature.key_id.begin(), signature.key_id.end());
  bytes.insert(bytes.end(), signature.signature.begin(), signature.signature.end());
  std::string line(kNoteSignatureStart);
  return line.append(signature.name).append(" ").append(encode_base64(bytes)).append("\n");
}

// The text is one in which note_text_fault() finds nothing.
inline std::string format_note(const Note& note) {
  std::string bytes = note.text + "\n";
  for (const NoteSignature& signature : note.signatures) bytes += format_note_signature(signature);
  return bytes;
}

// `line` without its newline.
inline Parsed<NoteSignature> parse_note_signature(std::string_view line) {
  if (!line.starts_with(kNoteSignatureStart)) return NoteFault::kSignatureLine;
  line.remove_prefix(kNoteSignatureStart.size());
  const std::size_t space = line.find(' ');
  if (space == std::string_view::npos) return NoteFault::kSignatureLine;
  NoteSignature signature;
  signature.name = line.substr(0, space);
  if (!is_note_name(signature.name)) return NoteFault::kName;
  const auto bytes = decode_base64(line.substr(space + 1));
  if (!bytes) return NoteFault::kBase64;
  constexpr std::size_t kIdBytes = sizeof(KeyId);
  if (bytes->size() <= kIdBytes || bytes->size() > kIdBytes + kNoteSignatureBytesMax) {
    return NoteFault::kSignatureBytes;
  }
  signature.key_id = load<KeyId>(bytes->data());
  signature.signature.assign(bytes->begin() + kIdBytes, bytes->end());
  return signature;
}

inline Parsed<Note> parse_note(std::string_view bytes) {
  if (const NoteFault fault = note_text_fault(bytes); fault != NoteFault::kNone) return fault;
  // The last empty line: the text may have some of its own.
  const std::size_t split = bytes.rfind("\n\n");
  if (split == std::string_view::npos) return NoteFault::kNoSignatures;
  Note note;
  note.text = bytes.substr(0, split + 1);
  bytes.remove_prefix(split + 2);
  if (bytes.empty()) return NoteFault::kNoSignatures;
  while (!bytes.empty()) {
    if (note.signatures.size() == kNoteSignaturesMax) return NoteFault::kTooManySignatures;
    const std::size_t end = bytes.find('\n');
    Parsed<NoteSignature> signature = parse_note_signature(bytes.substr(0, end));
    if (!signature.ok()) return signature.fault;
    note.signatures.push_back(std::move(signature.value));
    bytes.remove_prefix(end + 1);
  }
  return note;
}

}  // namespace xase::proto
