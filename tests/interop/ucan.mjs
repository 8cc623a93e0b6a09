// Reads cases as JSON on standard input, lets iso-ucan judge each of them, and writes what it said.
//
//   { now, judge: [{ name, kind, token, proofs: { CID: token } }], make: { alice, bob, carol } }
//     -> { judged: { name: null | "why not" }, made: { delegations: [token], invocation: token } }
//
// Tokens and keys are base64. `kind` is "delegation" or "invocation".

import { EdDSASigner } from 'iso-signatures/signers/eddsa.js'
import { Delegation } from 'iso-ucan/delegation'
import { Invocation } from 'iso-ucan/invocation'
import { judge, unpack, verifierResolver } from './judge.mjs'

const pack = (bytes) => Buffer.from(bytes).toString('base64')

async function make(keys) {
  const signer = async (key) => EdDSASigner.generate(unpack(key))
  const [alice, bob, carol] = await Promise.all([keys.alice, keys.bob, keys.carol].map(signer))
  const shared = { sub: alice.did, cmd: '/record/read', exp: 4102444800, verifierResolver }
  const root = await Delegation.create({
    ...shared,
    iss: alice,
    aud: bob.did,
    pol: [['==', '.purpose', 'audit'], ['or', [['<=', '.to', 20], ['like', '.name', '*']]]],
  })
  const next = await Delegation.create({
    ...shared,
    iss: bob,
    aud: carol.did,
    pol: [['>=', '.from', 10]],
    nbf: 1,
    meta: { note: 'narrower' },
  })
  const invocation = await Invocation.create({
    ...shared,
    iss: carol,
    prf: [root, next],
    args: { purpose: 'audit', from: 10, to: 20 },
    iat: 1700000000,
  })
  return { delegations: [root, next].map((d) => pack(d.bytes)), invocation: pack(invocation.bytes) }
}

let input = ''
for await (const chunk of process.stdin.setEncoding('utf8')) input += chunk
const asked = JSON.parse(input)
const judged = {}
for (const entry of asked.judge) {
  judged[entry.name] = await judge({ ...entry, now: asked.now })
}
process.stdout.write(JSON.stringify({ judged, made: await make(asked.make) }))
