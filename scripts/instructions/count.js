'use strict';

// Sends requests through a program under callgrind and works out what one of them costs.

const { Connection } = require('./connection.js');
const { KINDS, requestOf } = require('./kinds.js');

/**
 * The service gathers usage records for 250 ms, from the first one on, before it writes them together. A round of requests
 * takes less than that also under callgrind, and then there is a pause until its records are written: so each round is one
 * batch.
 */
const ROUND = 25;

/** A service that is not optimised needs ten times as many instructions. */
const SLOW_ROUND = 5;
const GATHER_MS = 250;
const WRITE_MS = 150;

const WARM_UP_ROUNDS = 4;
const IDLE_MS = 4000;

/** What happens with time and not with requests: instructions in a millisecond, by thread. */
async function idleRates(target) {
  target.callgrind.take();
  const began = Date.now();
  await sleep(IDLE_MS);
  const profiles = target.callgrind.take();
  const ms = Date.now() - began;
  return new Map(profiles.map(({ thread, total }) => [thread, total / ms]));
}

/**
 * What `rounds` rounds of this kind cost: the profile of each thread, divided by the requests. `expected` is the body of the
 * answer; `split` counts rounds that were too slow to be one batch.
 */
async function count(target, kind, { rounds, isSlow }, expected) {
  const size = isSlow ? SLOW_ROUND : ROUND;
  const connection = await Connection.open(target.port(kind));
  const request = requestOf(kind, target.credential);
  const load = { connection, kind, request, expected, size, pause: target.written ? WRITE_MS : 0 };
  try {
    await send(load, WARM_UP_ROUNDS);
    target.callgrind.take();
    const began = Date.now();
    const split = await send(load, rounds);
    const profiles = target.callgrind.take();
    return { profiles, split, ms: Date.now() - began, requests: rounds * size, warmUp: WARM_UP_ROUNDS * size };
  } finally {
    connection.close();
  }
}

async function send({ connection, kind, request, expected, size, pause }, rounds) {
  let split = 0;
  for (let round = 0; round < rounds; round += 1) {
    const began = Date.now();
    for (let number = 0; number < size; number += 1) {
      const body = await connection.ask(request);
      if (!body.equals(expected)) throw new Error(`${KINDS[kind].title}: the answer differs from the upstream's`);
    }
    if (Date.now() - began >= GATHER_MS) split += 1;
    if (pause > 0) await sleep(GATHER_MS + pause);
  }
  return split;
}

/** The body that the upstream gives when it is asked directly, and that everything before it must pass on. */
async function answerOf(direct, kind) {
  const connection = await Connection.open(direct.port(kind));
  try {
    return await connection.ask(requestOf(kind, direct.credential));
  } finally {
    connection.close();
  }
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

module.exports = { answerOf, count, idleRates };
