// Checkpoints of a log as signed notes, the cosignatures of witnesses, and the proof file of one word.

import { data, exactly, integer, list, text, tuple } from './body.mjs'
import { ascii, hex, join, same, unhex } from './bytes.mjs'
import { decode, linkBytes } from './cbor.mjs'
import { hmac, label, sha256 } from './digest.mjs'
import { certificate, checkKey, didOf, keyOf, parseSigned, signedBy, verify } from './identity.mjs'
import { hashes, leafHash, rootOfPath, treeHash } from './merkle.mjs'
import { parseAnswer, parseReceipt, readArgs } from './reading.mjs'
import { refuse, require } from './refused.mjs'
import { parseDelegation, parseInvocation } from './token.mjs'

const LOG = /^entrenous\/log\/([0-9a-f]{64})$/
const WITNESS = /^entrenous\/witness\/([0-9a-f]{64})$/
const SIZE = /^(?:0|[1-9][0-9]*)$/
const DASH = '— '
const LOG_KIND = 0x01
const WITNESS_KIND = 0x04

function base64(value, what) {
  const bytes = new Uint8Array(Buffer.from(value, 'base64'))
  require(Buffer.from(bytes).toString('base64') === value, 'note', `${what} is base64 in its one spelling`)
  return bytes
}

const keyId = (name, kind, key) => sha256(join(ascii(`${name}\n`), Uint8Array.of(kind), key)).subarray(0, 4)

function lineOf(line) {
  const found = /^— (\S+) (\S+)$/.exec(line)
  require(found !== null && line.startsWith(DASH), 'note', 'a line is a dash, a name, and a signature')
  const bytes = base64(found[2], 'a signature')
  require(bytes.length > 4, 'note', 'a signature is too short')
  return { name: found[1], id: bytes.subarray(0, 4), bytes: bytes.subarray(4) }
}

function keyIn(name, form, kind, id) {
  const key = unhex(form.exec(name)[1])
  checkKey(key, `the key of ${name}`)
  require(same(id, keyId(name, kind, key)), 'note', 'the id of a key is another')
  return key
}

function cosignature({ name, id, bytes }, body) {
  const key = keyIn(name, WITNESS, WITNESS_KIND, id)
  require(bytes.length === 72, 'note', 'a cosignature is a time and a signature')
  const seconds = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0)
  verify(key, bytes.subarray(8), ascii(`cosignature/v1\ntime ${seconds}\n${body}`), 'a witness')
  return [didOf(key), Number(seconds)]
}

// The three lines, a blank one, the log's signature, and those of others.
export function parseCheckpoint(raw) {
  const whole = Buffer.from(raw).toString('utf8')
  require(same(ascii(whole), raw) && whole.endsWith('\n'), 'note', 'a note is text that ends with its line')
  const end = whole.indexOf('\n\n')
  require(end >= 0, 'note', 'a note has a blank line')
  const body = whole.slice(0, end + 1)
  const [origin, size, root, ...more] = body.slice(0, -1).split('\n')
  require(LOG.test(origin) && more.length === 0 && SIZE.test(size ?? ''), 'note', 'not a checkpoint')
  const head = { size: integer(Number(size), 'size', 0), root: data(base64(root ?? '', 'the root'), 'the root', 32) }
  require(head.size > 0 || same(head.root, treeHash([])), 'note', 'an empty log has the root of nothing')
  const [first, ...others] = whole.slice(end + 2, -1).split('\n').map(lineOf)
  require(first.name === origin, 'note', 'the first line is that of the log')
  const key = keyIn(origin, LOG, LOG_KIND, first.id)
  verify(key, first.bytes, ascii(body), 'a checkpoint')
  const cosigned = []
  for (const line of others) {
    if (line.name.startsWith('entrenous/log/')) refuse('note', 'two lines of a log')
    if (WITNESS.test(line.name)) cosigned.push(cosignature(line, body))
  }
  require(new Set(cosigned.map(([who]) => who)).size === cosigned.length, 'note', 'a witness stands there twice')
  return { ...head, key, cosigned }
}

// Whose a log is: signed by the device and by the log's own key.
function parseLog(raw) {
  const object = parseSigned(raw, 'log', ['v', 'device', 'key'], [2])
  const { device, key } = object.body
  keyOf(device)
  checkKey(data(key, 'key', 32), 'the key of a log')
  signedBy(object, device, 0)
  signedBy(object, didOf(key), 1)
  return { device, key }
}

function parseWord(raw) {
  return decode(raw)[0] === label('answer') ? parseAnswer(raw) : parseReceipt(raw)
}

// What a certificate says, whenever it holds.
function certificateOf(raw) {
  const object = parseSigned(raw, 'certificate', ['v', 'persona', 'device', 'cmds', 'exp'])
  return signedBy(object, object.body.persona).body
}

const CALL_BYTES_MAX = 8_192
const KEYS = ['v', 'index', 'leaf_key', 'k_r', 'word', 'certificate', 'owner', 'log', 'path', 'checkpoint']

export function proof(raw) {
  const [type, value] = tuple(decode(raw), 'a proof', 2)
  require(text(type, 'a type') === label('log-proof'), 'form', 'not a proof')
  const file = exactly(value, 'a proof', KEYS, ['call', 'delegation'])
  const word = parseWord(data(file.word, 'word'))
  const receipt = word.type === 'receipt'
  const by = certificateOf(data(file.certificate, 'certificate'))
  const device = receipt ? word.body.server : by.device
  const asked = { persona: by.persona, device, cmd: receipt ? '/record/read' : null, tMs: word.body.t_ms }
  certificate(file.certificate, asked)
  if (!receipt) signedBy(word, by.device)
  const owner = certificateOf(data(file.owner, 'owner'))
  const log = parseLog(data(file.log, 'log'))
  const head = parseCheckpoint(data(file.checkpoint, 'checkpoint'))
  require(owner.device === log.device, 'log-proof', 'the log of another device')
  require(same(log.key, head.key), 'log-proof', 'the checkpoint of another log')
  const served = by.device === log.device
  if (served) require(owner.persona === by.persona, 'log-proof', 'another persona than the one that served')
  else if (receipt) {
    const lease = by.cmds.length === 1 && by.cmds[0] === '/record/read'
    const may = lease ? [word.body.reader, by.persona] : [word.body.reader]
    require(may.includes(owner.persona), 'log-proof', 'of one who neither served nor read')
  }
  if ('call' in file) calledFor(data(file.call, 'call'), word, by.persona)
  if ('delegation' in file) grantedBy(data(file.delegation, 'delegation'), word, by.persona)
  const print = hmac(data(file.k_r, 'k_r', 32), word.cid)
  const leaf = leafHash(hmac(data(file.leaf_key, 'leaf_key', 32), print))
  const path = hashes(list(file.path, 'path'), 'path')
  const root = rootOfPath(head.size, integer(file.index, 'index', 0), leaf, path)
  require(same(root, head.root), 'proof', 'not in this log')
  return { word, owner, head, served, called: 'call' in file, granted: 'delegation' in file, index: file.index, key: hex(log.key) }
}

// The grant that a read was under: it shows that the device served for the one who certified it.
function grantedBy(raw, word, persona) {
  const fits = (holds, sentence) => require(holds, 'log-proof', sentence)
  const grant = parseDelegation(raw)
  fits(word.type === 'receipt' && same(grant.cid, word.body.dlg), 'a grant that the word does not name')
  fits(grant.iss === persona && grant.sub === persona, 'a grant of another persona')
  fits(grant.cmd === '/record/read', 'a grant of something else than reads')
}

// The signed call of a read, beside a receipt that its reader did not sign.
function calledFor(raw, word, persona) {
  const fits = (holds, sentence) => require(holds, 'receipt', sentence)
  fits(word.type === 'receipt' && word.sigs.length === 1, 'a call beside another word than a receipt of one side')
  fits(raw.length <= CALL_BYTES_MAX, 'a call of a read that is too long')
  const inv = parseInvocation(raw)
  const { body } = word
  const args = readArgs(inv)
  fits(same(inv.cid, body.inv), 'of another invocation')
  fits(inv.iss === body.reader && inv.aud === body.server, 'of another reader or device')
  fits(inv.prf.length > 0 && same(linkBytes(inv.prf[0]), body.dlg), 'of another grant')
  fits(args.from <= body.from && body.to <= args.to, 'of other days')
  require(inv.sub === persona, 'log-proof', 'a call to another persona')
}
