// From a certificate to its CertID (RFC 9773 section 4.1), in this browser: PEM, then as much of DER
// (X.690) as the way to the two fields takes. Nothing is sent.

/** The first certificate in a PEM file, as octets. */
function octetsOfPem(text) {
  const match = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END/.exec(text);
  if (!match) throw new Error("there is no certificate in it: one begins with -----BEGIN CERTIFICATE-----");
  let binary;
  try {
    binary = atob(match[1].replace(/\s+/g, ""));
  } catch {
    throw new Error("what stands between its marks is no base64");
  }
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** One DER value: its tag, its content, and where the next begins. */
function valueAt(octets, at) {
  const broken = () => new Error("it is no DER certificate: a value is longer than what holds it");
  if (at + 2 > octets.length) throw broken();
  const tag = octets[at];
  if ((tag & 0x1f) === 0x1f) throw new Error("it is no DER certificate: it has a tag that X.509 does not");
  let length = octets[at + 1];
  let begin = at + 2;
  if (length >= 0x80) {
    const count = length - 0x80;
    // Four octets hold 4 GB; none at all is BER.
    if (count < 1 || count > 4 || begin + count > octets.length) throw broken();
    length = 0;
    for (const octet of octets.subarray(begin, begin + count)) length = length * 256 + octet;
    begin += count;
  }
  if (begin + length > octets.length) throw broken();
  return { tag, content: octets.subarray(begin, begin + length), next: begin + length };
}

/** The values in a value, in order. */
function valuesIn(octets) {
  const values = [];
  for (let at = 0; at < octets.length; at = values.at(-1).next) values.push(valueAt(octets, at));
  return values;
}

function expect(value, tag, what) {
  if (!value || value.tag !== tag) throw new Error(`it is no certificate: ${what} is missing`);
  return value.content;
}

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OID = 0x06;
const OCTETS = 0x04;
/** 2.5.29.35, authorityKeyIdentifier (RFC 5280 section 4.2.1.1). */
const AUTHORITY_KEY_IDENTIFIER = "85,29,35";

const base64url = (octets) => btoa(String.fromCharCode(...octets)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** UTCTime or GeneralizedTime (RFC 5280 section 4.1.2.5) in milliseconds. */
function instantOf({ tag, content }) {
  let text = String.fromCharCode(...content);
  if (tag === 0x17) text = (Number(text.slice(0, 2)) < 50 ? "20" : "19") + text;
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text) ?? [];
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

/** The CertID of a certificate and until when it is good. */
function readCertificate(octets) {
  const certificate = expect(valueAt(octets, 0), SEQUENCE, "its outer sequence");
  const fields = valuesIn(expect(valueAt(certificate, 0), SEQUENCE, "what is signed"));
  // The version is left out in certificates of version 1.
  const first = fields[0]?.tag === 0xa0 ? 1 : 0;
  const serial = expect(fields[first], INTEGER, "the serial number");
  const validity = valuesIn(expect(fields[first + 3], SEQUENCE, "the validity"));
  const extensions = fields.find(({ tag }) => tag === 0xa3);
  const list = extensions ? valuesIn(expect(valueAt(extensions.content, 0), SEQUENCE, "the list of extensions")) : [];
  for (const { content } of list) {
    const parts = valuesIn(content);
    if (expect(parts[0], OID, "an extension's name").join() !== AUTHORITY_KEY_IDENTIFIER) continue;
    const inner = expect(valueAt(expect(parts.at(-1), OCTETS, "an extension's value"), 0), SEQUENCE, "authorityKeyIdentifier");
    const key = valuesIn(inner).find(({ tag }) => tag === 0x80);
    if (!key || key.content.length === 0) break;
    return { id: `${base64url(key.content)}.${base64url(serial)}`, from: instantOf(validity[0]), to: instantOf(validity[1]) };
  }
  throw new Error("it has no authorityKeyIdentifier with a key identifier, and so no CertID");
}
