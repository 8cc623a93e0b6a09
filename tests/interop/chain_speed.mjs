// How long iso-ucan takes to read and verify one chain, nothing remembered between two rounds.
//
//   { now, rounds, token, proofs } -> [milliseconds of each round]
//
// Tokens are base64; the first rounds, in which V8 compiles, are not counted.

import { verifier } from 'iso-signatures/verifiers/eddsa.js'
import { Resolver } from 'iso-signatures/verifiers/resolver.js'
import { Delegation } from 'iso-ucan/delegation'
import { Invocation } from 'iso-ucan/invocation'

const WARM_UP = 20
const verifierResolver = new Resolver({ ...verifier })
const unpack = (text) => new Uint8Array(Buffer.from(text, 'base64'))

let input = ''
for await (const chunk of process.stdin.setEncoding('utf8')) input += chunk
const { now, rounds, token, proofs } = JSON.parse(input)
const bytes = unpack(token)
const links = proofs.map(unpack)

async function once() {
  const known = new Map()
  for (const link of links) {
    const delegation = await Delegation.from({ bytes: link, verifierResolver, now })
    known.set(delegation.cid.toString(), delegation)
  }
  const resolveProof = async (cid) => known.get(cid.toString())
  await Invocation.from({ bytes, verifierResolver, resolveProof, now })
}

const spent = []
for (let round = 0; round < WARM_UP + rounds; round++) {
  const start = performance.now()
  await once()
  if (round >= WARM_UP) spent.push(performance.now() - start)
}
process.stdout.write(JSON.stringify(spent))
