// An OpenID Connect provider: node provider.mjs PORT REDIRECT_URI. Whoever signs in is who they say they are.
import Provider from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const roles = {
  officer: ["gateway:operate", "gateway:personal-data"],
  operator: ["gateway:operate"],
};

const provider = new Provider(issuer, {
  clients: [{ client_id: "console", client_secret: "a secret: of the console", redirect_uris: [redirect] }],
  claims: { openid: ["sub"], profile: ["name", "roles"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["of the tests"] },
  async findAccount(_, id) {
    return { accountId: id, claims: () => ({ sub: id, name: `${id} of the tests`, roles: roles[id] ?? [] }) };
  },
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
