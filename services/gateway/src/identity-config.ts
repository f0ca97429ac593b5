/** What the environment says of accounts, tokens and GitHub, as the gateway's configuration. */
import type { IdentitySettings } from '@inkwell/contracts';
import type { GatewayConfig } from './config.ts';

/** @throws Error for people when GitHub is set up by halves */
export function identityConfig(settings: IdentitySettings): Partial<GatewayConfig> {
  const { INKWELL_GITHUB_CLIENT_ID: clientId, INKWELL_GITHUB_CLIENT_SECRET: clientSecret } = settings;
  const publicUrl = settings.INKWELL_PUBLIC_URL;
  if ((clientId === undefined) !== (clientSecret === undefined)) {
    throw new Error('Set both INKWELL_GITHUB_CLIENT_ID and INKWELL_GITHUB_CLIENT_SECRET, or neither.');
  }
  return {
    tokenSecrets: settings.INKWELL_TOKEN_SECRET,
    openRegistration: settings.INKWELL_OPEN_REGISTRATION === 'on',
    publicUrl,
    github:
      clientId === undefined || clientSecret === undefined
        ? undefined
        : {
            clientId,
            clientSecret,
            webUrl: settings.INKWELL_GITHUB_URL,
            apiUrl: settings.INKWELL_GITHUB_API_URL,
            callbackUrl: publicUrl && `${publicUrl}/api/auth/callback/github`,
          },
  };
}
