'use strict';

// What instructions are for, told by the function they are in and by the file of the source line they come from. The compiler
// puts small functions into others, so the file often says more. The tables are kept by hand; what they miss is "other".

/** Functions of the C library, by how their names begin. */
const C_LIBRARY = [
  [/^_*(malloc|calloc|realloc|free|cfree|memalign)\b|^_int_|^(malloc_consolidate|unlink_chunk|tcache_)/, 'allocation'],
  [/^_*mem(p?c[p]y|move|set)(_|$)/, 'copying bytes'],
  [/^_*(mem(cmp|r?chr)|bcmp|str(n?len|n?cmp|r?chr|n?casecmp))(_|$)/, 'searching and comparing text'],
  [/^_*(pthread_|lll_|sem_)/, 'locks and waking threads'],
  [/^_*(clock_gettime|vdso_|gettimeofday)/, 'clock'],
  [
    /^_*(libc_)?(recv|send|sendmsg|writev?|readv?|pread64|pwrite64?|fstat|fcntl|epoll_\w+|syscall|getrandom|lseek64)(@|$)/,
    'system calls',
  ],
];

/** Libraries by name. */
const LIBRARIES = {
  'HTTP messages': ['hyper', 'hyper_util', 'httparse', 'http_body', 'http_body_util', 'httpdate'],
  'HTTP headers': ['http'],
  'event loop': [
    'tokio',
    'tokio_util',
    'mio',
    'socket2',
    'futures_core',
    'futures_util',
    'futures_channel',
    'futures_executor',
    'futures_task',
    'slab',
    'atomic_waker',
    'pin_project_lite',
  ],
  'byte buffers': ['bytes'],
  'searching and comparing text': ['memchr'],
  JSON: ['serde', 'serde_core', 'serde_json', 'itoa', 'zmij'],
  'database: SQLite': ['libsqlite3_sys'],
  'database: its Rust library': [
    'sqlx',
    'sqlx_core',
    'sqlx_sqlite',
    'flume',
    'event_listener',
    'futures_intrusive',
    'crossbeam_queue',
    'hashlink',
    'smallvec',
  ],
  cryptography: ['aws_lc_rs', 'aws_lc_sys', 'rustls', 'jsonwebtoken', 'base64', 'zeroize'],
  'hash maps': ['hashbrown', 'foldhash', 'indexmap'],
  logging: ['tracing', 'tracing_core', 'tracing_subscriber', 'log'],
  clock: ['time', 'humantime'],
  'locks and waking threads': ['parking_lot', 'parking_lot_core', 'lock_api', 'arc_swap'],
  metrics: ['prometheus_client'],
  allocation: ['libmimalloc_sys', 'mimalloc'],
  'addresses and ids': ['url', 'ipnet', 'percent_encoding', 'uuid', 'getrandom', 'rand', 'rand_core'],
};

/** Modules of Rust's own library. Its other modules are for whatever the function around them is for. */
const STANDARD = [
  [/^alloc::(alloc|raw_vec)/, 'allocation'],
  [/^(core|alloc)::(fmt|string)/, 'formatting text'],
  [/^core::(str|slice::(memchr|ascii|cmp))/, 'searching and comparing text'],
  [/^(core::hash|std::(hash|collections::hash))/, 'hash maps'],
  [/^std::(sync|sys::sync|thread)/, 'locks and waking threads'],
  [/^(std|core)::time|^std::sys::.*\btime/, 'clock'],
];

const PURPOSE_OF_LIBRARY = new Map(
  Object.entries(LIBRARIES).flatMap(([purpose, names]) => names.map((name) => [name, purpose])),
);

/** Functions of mimalloc and SQLite, for builds without the files of source lines. */
const C_PREFIXES = [
  [/^_?mi_/, 'allocation'],
  [/^sqlite3/, 'database: SQLite'],
];

const LIBRARY_FILE = /\/(?:registry\/src\/[^/]+|rust\/deps)\/([\w-]+?)-\d+\.\d+[^/]*\//;
const STANDARD_FILE = /\/library\/(core|alloc|std)\/src\/(.+)\.rs$/;
const OWN_FILE = /(?:^|\/)src\/(?:service\/(\w+)|(\w+\/\w+)|(\w+))/;
const OWN_PATH = /\bvaletkey::(?:service::(\w+)|(\w+::\w+))/;

/** What a piece of a function's cost is for: `file` has the source lines of that piece. */
function purposeOf(fn, file) {
  return firstMatch(C_LIBRARY, fn) ?? ofFile(file) ?? ofPath(fn) ?? firstMatch(C_PREFIXES, fn) ?? 'other';
}

function ofFile(file) {
  const library = LIBRARY_FILE.exec(file)?.[1];
  if (library) return ofLibrary(library.replace(/-/g, '_'));
  const standard = STANDARD_FILE.exec(file);
  if (standard) return firstMatch(STANDARD, `${standard[1]}::${standard[2].replace(/\//g, '::')}`);
  const own = OWN_FILE.exec(file);
  return own ? `valetkey: ${own[1] ?? own[2] ?? own[3]}` : undefined;
}

/** By the first library that the name of a Rust function has in it, or else by the module of Rust's own library. */
function ofPath(fn) {
  const own = OWN_PATH.exec(fn);
  const library = [...fn.matchAll(/\b(\w+)::/g)].find(([, name]) => PURPOSE_OF_LIBRARY.has(name));
  if (own && (!library || own.index < library.index)) return `valetkey: ${own[1] ?? own[2].replace('::', '/')}`;
  if (library) return ofLibrary(library[1]);
  return firstMatch(STANDARD, /\b(?:core|alloc|std)::[\w:]+/.exec(fn)?.[0] ?? '');
}

function ofLibrary(name) {
  return PURPOSE_OF_LIBRARY.get(name) ?? `library ${name}`;
}

function firstMatch(table, text) {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}

module.exports = { purposeOf };
