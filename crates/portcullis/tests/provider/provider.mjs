// A certified OpenID provider (npm oidc-provider) that a test starts, steers and stops.
//
//   node provider.mjs '{"port": 0, "redirects": ["https://…/callback/corp"], "logouts": ["https://…/logout"],
//                       "backchannel": "https://…/backchannel/corp", "users": {"alice": {"groups": ["dba"]}}}'
//
// Writes one line of JSON to standard output when it listens: {"issuer": "http://localhost:PORT"}. Ends with standard
// input. Clients: `proxy` with the secret `proxy-secret`. Every password is right; the login page asks for nothing else.
//
// Steering, by POST with a JSON body, for tests alone:
//   /test/users    {"alice": {"groups": [...], "email": "…"}}   what is said of people from now on
//   /test/rotate   {}                                            signs with a new key; the old one is published no more
//   /test/revoke   {"user": "alice"}                             grants end: the next refresh is refused
//   /test/logout   {"user": "alice"}                             ends the provider's sessions; tells its clients
//   /test/clock    {"ahead": 600}                                seconds by which its clock is wrong
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages lie below target/, not beside this file: NODE_MODULES names the folder that holds node_modules.
const require = createRequire(`${process.env.NODE_MODULES ?? import.meta.dirname}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));

const settings = JSON.parse(process.argv[2] ?? '{}');
let users = settings.users ?? { alice: { groups: ['dba'] } };

const realNow = Date.now;
let aheadMs = 0;
Date.now = () => realNow() + aheadMs;

const signingKey = () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'ES256', use: 'sig' };
};

// Grants, sessions and codes outlive a change of keys, which makes a new Provider.
const stored = new Map();
class Memory {
  constructor(name) { this.name = name; }
  key(id) { return `${this.name}:${id}`; }
  all() { return [...stored].filter(([key]) => key.startsWith(`${this.name}:`)); }
  async upsert(id, payload) { stored.set(this.key(id), payload); }
  async find(id) { return stored.get(this.key(id)); }
  async findByUid(uid) { return this.all().map(([, payload]) => payload).find((payload) => payload.uid === uid); }
  async findByUserCode() { return undefined; }
  async destroy(id) { stored.delete(this.key(id)); }
  async consume(id) { const payload = stored.get(this.key(id)); if (payload) payload.consumed = Math.floor(Date.now() / 1000); }
  async revokeByGrantId(grantId) {
    for (const [key, payload] of stored) if (payload.grantId === grantId) stored.delete(key);
  }
}

const configuration = (keys) => ({
  adapter: Memory,
  jwks: { keys },
  clients: [{
    client_id: 'proxy',
    client_secret: 'proxy-secret',
    redirect_uris: settings.redirects ?? [],
    post_logout_redirect_uris: settings.logouts ?? [],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
    ...(settings.backchannel
      ? { backchannel_logout_uri: settings.backchannel, backchannel_logout_session_required: true }
      : {}),
  }],
  clientAuthMethods: ['client_secret_basic', 'client_secret_post'],
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'groups'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = page(`${form}<button autofocus type="submit" form="op.logoutForm" name="logout" value="yes">Log out</button>`);
      },
    },
  },
  cookies: { keys: ['test'] },
  issueRefreshToken: async () => true,
  rotateRefreshToken: true,
  ttl: { AccessToken: 300, IdToken: 300, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 300 },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: async (ctx, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id,
      name: id,
      email: `${id}@example.com`,
      email_verified: true,
      ...users[id],
    }),
  }),
  // A test's proxy listens on loopback, which the provider's own dispatcher never speaks to.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
});

const page = (content) => `<!DOCTYPE html><html lang="en"><title>provider</title><body>${content}</body></html>`;

const read = async (request) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
};

let provider;
let issuer;
const start = () => { provider = new Provider(issuer, configuration([signingKey()])); };

/** Logs somebody in and grants what is asked for. */
const interact = async (request, response) => {
  const details = await provider.interactionDetails(request, response);
  if (request.method === 'GET' && details.prompt.name === 'login') {
    response.setHeader('content-type', 'text/html');
    response.end(page('<form method="post"><label>User <input name="user" autofocus></label><button>Log in</button></form>'));
    return;
  }
  let accountId = details.session?.accountId;
  if (details.prompt.name === 'login') {
    accountId = new URLSearchParams(await read(request)).get('user');
    if (!users[accountId]) {
      await provider.interactionFinished(request, response, { error: 'access_denied' });
      return;
    }
    await provider.interactionFinished(request, response, { login: { accountId } });
    return;
  }
  const grant = details.grantId
    ? await provider.Grant.find(details.grantId)
    : new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope('openid offline_access email profile');
  await provider.interactionFinished(request, response, { consent: { grantId: await grant.save() } }, { mergeWithLastSubmission: true });
};

const steer = async (path, body) => {
  switch (path) {
    case '/test/users': users = body; break;
    case '/test/rotate': start(); break;
    case '/test/clock': aheadMs = body.ahead * 1000; break;
    case '/test/revoke':
      for (const [key, payload] of [...stored]) {
        if (payload.accountId === body.user && /^(Grant|RefreshToken|AccessToken):/.test(key)) stored.delete(key);
      }
      break;
    case '/test/logout': {
      const client = await provider.Client.find('proxy');
      for (const [key, payload] of [...stored]) {
        if (!key.startsWith('Session:') || payload.accountId !== body.user) continue;
        stored.delete(key);
        const sid = payload.authorizations?.proxy?.sid;
        if (sid && client.backchannelLogoutUri) await client.backchannelLogout(body.user, sid);
      }
      break;
    }
    default: return 404;
  }
  return 204;
};

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url, issuer);
  try {
    if (request.method === 'POST' && pathname.startsWith('/test/')) {
      response.statusCode = await steer(pathname, JSON.parse((await read(request)) || '{}'));
      response.end();
    } else if (pathname.startsWith('/interaction/')) {
      await interact(request, response);
    } else {
      provider.callback()(request, response);
    }
  } catch (error) {
    response.statusCode = 500;
    response.end(String(error));
    process.stderr.write(`${error.stack}\n`);
  }
});

server.listen(settings.port ?? 0, '127.0.0.1', () => {
  issuer = settings.issuer ?? `http://localhost:${server.address().port}`;
  start();
  process.stdout.write(`${JSON.stringify({ issuer })}\n`);
});

// Whoever started this ends it by closing its standard input, also by dying.
process.stdin.on('end', () => process.exit(0)).resume();
