'use strict';

const { checkOptions } = require('../options.js');

/** The command line is wrong; the message says how. */
class MisuseError extends Error {}

/**
 * Reads `--name value`, `--name=value` and `--name`. `known` says of each flag whether it is a switch (`true`) or takes a value
 * (`false`). A flag that comes twice keeps its last value.
 */
function readFlags(args, known) {
  const flags = {};
  for (let at = 0; at < args.length; at += 1) {
    const [name, ...rest] = args[at].split('=');
    const isSwitch = known[name];
    if (isSwitch === undefined) throw new MisuseError(`there is no option ${name}`);
    let value = rest.length > 0 ? rest.join('=') : undefined;
    if (isSwitch && value !== undefined) throw new MisuseError(`${name} takes no value`);
    if (!isSwitch && value === undefined) {
      at += 1;
      value = args[at];
      if (value === undefined) throw new MisuseError(`${name} needs a value`);
    }
    flags[name] = isSwitch ? true : value;
  }
  return flags;
}

/** Runs a command that gives its exit code; a wrong command line is told on stderr and gives 2. */
async function command(name, usage, work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MisuseError)) throw error;
    process.stderr.write(`valetkey ${name}: ${error.message}\n\n${usage}\n`);
    return 2;
  }
}

/** The options of a start, as the addon takes them, that a command gets by its flags and by the environment. */
function startOptions(flags, env) {
  const given = { bootstrapUrl: flags['--bootstrap-url'], appId: flags['--app-id'] };
  // On a command line every user of the machine could read it.
  if (env.PROXY_ENROLMENT_TOKEN) given.enrolmentToken = env.PROXY_ENROLMENT_TOKEN;
  const options = Object.assign({}, checkOptions(given, env).native);
  if (options.bootstrapUrl.length > 0) return options;
  throw new MisuseError('--bootstrap-url or PROXY_BOOTSTRAP_URL must name the service');
}

module.exports = { readFlags, command, startOptions };
