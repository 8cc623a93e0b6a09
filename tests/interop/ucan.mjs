// Reads cases as JSON on standard input, lets iso-ucan judge each of them, and writes what it said.
//
//   { now, judge: [{ name, kind, token, proofs }], make: { alice, bob, carol } }
//     -> { judged: { name: null | "why not" }, made: { delegations: [token], invocation: token } }
//
// Tokens and keys are base64. `kind` is "delegation" or "invocation".

import { EdDSASigner } from 'iso-signatures/signers/eddsa.js'
import { verifier } from 'iso-signatures/verifiers/eddsa.js'
import { Resolver } from 'iso-signatures/verifiers/resolver.js'
import { Delegation } from 'iso-ucan/delegation'
import { Invocation } from 'iso-ucan/invocation'

const verifierResolver = new Resolver({ ...verifier })
const unpack = (text) => new Uint8Array(Buffer.from(text, 'base64'))
const pack = (bytes) => Buffer.from(bytes).toString('base64')

async function judge({ kind, token, proofs }, now) {
  if (kind === 'delegation') {
    const delegation = await Delegation.from({ bytes: unpack(token), verifierResolver, now })
    await delegation.validate({ verifierResolver, now })
    return
  }
  const known = new Map()
  for (const proof of proofs) {
    const delegation = await Delegation.from({ bytes: unpack(proof), verifierResolver, now })
    known.set(delegation.cid.toString(), delegation)
  }
  const resolveProof = async (cid) => {
    const found = known.get(cid.toString())
    if (!found) throw new Error('proof not found')
    return found
  }
  await Invocation.from({ bytes: unpack(token), verifierResolver, resolveProof, now })
}

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
  try {
    await judge(entry, asked.now)
    judged[entry.name] = null
  } catch (error) {
    judged[entry.name] = String(error?.message ?? error)
  }
}
process.stdout.write(JSON.stringify({ judged, made: await make(asked.make) }))
