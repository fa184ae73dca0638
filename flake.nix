{
  description = "Depot: one server for a team's Nix store paths, npm packages and Python distributions";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;

      # Those for which the native packages bring compiled code.
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "aarch64-darwin"
      ];
      eachSystem = make: lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});

      manifest = lib.importJSON ./package.json;
      lock = lib.importJSON ./package-lock.json;

      # What the build reads: a change elsewhere builds nothing again.
      source = builtins.path {
        name = "depot-source";
        path = ./.;
        filter =
          file: _:
          let
            below = lib.removePrefix "${toString ./.}/" file;
          in
          below == ".ci"
          || below == ".ci/build.ts"
          || builtins.elem (builtins.head (lib.splitString "/" below)) [
            "LICENSE"
            "README.md"
            "auth"
            "cmd"
            "package-lock.json"
            "package.json"
            "protocols"
            "src"
            "storage"
            "tsconfig.json"
          ];
      };

      # The lock file names no server. This is where the public registry keeps the tarball of the package at `path`.
      addressOf =
        path: entry:
        let
          installed = lib.last (lib.splitString "node_modules/" path);
          # An alias is installed under another name than it was published under.
          name = entry.name or installed;
          file = lib.last (lib.splitString "/" name);
        in
        "https://registry.npmjs.org/${name}/-/${file}-${entry.version}.tgz";

      withAddress =
        path: entry:
        if entry ? integrity && !(entry ? resolved) then entry // { resolved = addressOf path entry; } else entry;

      # The key in the lock of `name` as the package at `path` finds it: in the nearest node_modules upwards, or null.
      resolveFrom =
        packages: path: name:
        let
          key = lib.optionalString (path != "") "${path}/" + "node_modules/${name}";
          above = builtins.head (builtins.match "(.*[^/]|)/?node_modules/(@[^/]+/)?[^/]+" path);
        in
        if packages ? ${key} then
          key
        else if path == "" then
          null
        else
          resolveFrom packages above name;

      # What becomes part of the build, the compiler, the bundler and the types; npm's own copy of Node is linked for other systems.
      isForBuild =
        name:
        !(builtins.elem name [
          "@yarnpkg/lockfile"
          "fast-check"
          "knip"
          "node"
          "oxfmt"
          "oxlint"
          "oxlint-tsgolint"
          "vitest"
          "yaml"
        ]);
      buildManifest =
        package:
        package
        // {
          devDependencies = lib.filterAttrs (name: _: isForBuild name) (package.devDependencies or { });
        };

      # The part of a lock that a build on one platform needs, with addresses. `node`: `{ platform, arch }` as Node names them.
      buildLock =
        node: whole:
        let
          root = buildManifest whole.packages."";
          runsHere =
            key:
            builtins.elem node.platform (whole.packages.${key}.os or [ node.platform ])
            && builtins.elem node.arch (whole.packages.${key}.cpu or [ node.arch ])
            && builtins.elem "glibc" (whole.packages.${key}.libc or [ "glibc" ]);
          keysOf =
            path: names:
            map (key: { inherit key; }) (
              builtins.filter (key: key != null && runsHere key) (map (resolveFrom whole.packages path) names)
            );
          needed =
            entry:
            builtins.attrNames (
              (entry.dependencies or { }) // (entry.optionalDependencies or { }) // (entry.peerDependencies or { })
            );
          reached = builtins.genericClosure {
            startSet = keysOf "" (needed root ++ builtins.attrNames root.devDependencies);
            operator = { key }: keysOf key (needed whole.packages.${key});
          };
          kept = lib.genAttrs (map ({ key }: key) reached) (key: whole.packages.${key});
          # npm asks the registry for what is optional and not in the lock.
          withoutAbsent =
            path: entry:
            entry
            // lib.optionalAttrs (entry ? optionalDependencies) {
              optionalDependencies = lib.filterAttrs (
                name: _: kept ? ${toString (resolveFrom whole.packages path name)}
              ) entry.optionalDependencies;
            };
        in
        whole
        // {
          packages = {
            "" = root;
          }
          // lib.mapAttrs (path: entry: withAddress path (withoutAbsent path entry)) kept;
        };

      package =
        {
          lib,
          stdenv,
          buildNpmPackage,
          importNpmLock,
          nodejs_24,
          installShellFiles,
          autoPatchelfHook,
        }:
        buildNpmPackage {
          pname = "depot";
          inherit (manifest) version;
          src = source;
          nodejs = nodejs_24;

          npmDeps = importNpmLock {
            package = buildManifest manifest;
            packageLock = buildLock stdenv.hostPlatform.node lock;
          };
          inherit (importNpmLock) npmConfigHook;
          # The native packages bring their code compiled, for any Linux: autoPatchelfHook makes it find the libraries of nixpkgs.
          npmRebuildFlags = [ "--ignore-scripts" ];

          nativeBuildInputs = [ installShellFiles ] ++ lib.optional stdenv.hostPlatform.isLinux autoPatchelfHook;
          buildInputs = lib.optional stdenv.hostPlatform.isLinux stdenv.cc.cc.lib;

          postInstall =
            let
              prebuilds = "$out/lib/node_modules/${manifest.name}/node_modules/{better-sqlite3,lzma-native}/prebuilds";
              here = with stdenv.hostPlatform.node; "${platform}-${arch}";
            in
            ''
              # npm's own note names every tarball, which would keep them all.
              rm "$out"/lib/node_modules/${manifest.name}/node_modules/.package-lock.json
              # For one platform, and without the sources that they were compiled from.
              for folder in ${prebuilds}; do
                find "$folder" -mindepth 1 -maxdepth 1 ! -name '${here}*' -exec rm -r {} +
                rm -rf "$folder"/../{deps,src}
              done
            ''
            + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
              for shell in bash zsh fish; do $out/bin/depot completions $shell > depot.$shell; done
              installShellCompletion --cmd depot --bash depot.bash --zsh depot.zsh --fish depot.fish
              $out/bin/depot man > depot.1
              installManPage depot.1
            '';

          meta = {
            inherit (manifest) description;
            license = lib.licenses.mit;
            mainProgram = "depot";
            platforms = systems;
          };
        };

      # What `.ci/image.ts` makes from Debian's libraries, made from nixpkgs: the same user, ports, folders and settings.
      image =
        {
          lib,
          dockerTools,
          cacert,
          depot,
        }:
        dockerTools.buildLayeredImage {
          name = "depot";
          tag = depot.version;
          contents = [
            depot
            cacert
            (dockerTools.fakeNss.override {
              extraPasswdLines = [ "depot:x:10001:10001:depot:/data:/sbin/nologin" ];
              extraGroupLines = [ "depot:x:10001:" ];
            })
          ];
          fakeRootCommands = ''
            install -d -m 1777 tmp
            install -d -m 0755 etc/depot
            install -d -m 0700 -o 10001 -g 10001 data
          '';
          config = {
            User = "10001:10001";
            Entrypoint = [ (lib.getExe depot) ];
            Cmd = [ "serve" ];
            Env = [
              "DEPOT_LISTEN_ADDR=:8080"
              "DEPOT_STORE_PATH=/data"
              "HOME=/data"
            ];
            ExposedPorts."8080/tcp" = { };
            Volumes."/data" = { };
            WorkingDir = "/data";
            StopSignal = "SIGTERM";
          };
        };

      # The built package serves.
      starts =
        {
          runCommand,
          curl,
          depot,
        }:
        runCommand "depot-starts"
          {
            nativeBuildInputs = [
              curl
              depot
            ];
            __darwinAllowLocalNetworking = true;
          }
          ''
            depot serve --listen-addr 127.0.0.1:18080 --store-path "$TMPDIR/store" &
            server=$!
            curl --silent --show-error --fail --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:18080/readyz
            kill $server
            wait $server
            touch $out
          '';

      shell =
        { mkShell, writeShellScriptBin, pkgs }:
        mkShell {
          packages = [
            pkgs.nodejs_24
            # npm's copy of Node is linked for other systems than NixOS: Nix's takes its place in the checkout.
            (writeShellScriptBin "install-checkout" ''
              npm ci --ignore-scripts && ln -sfn ${lib.getExe pkgs.nodejs_24} node_modules/.bin/node
            '')
            pkgs.curl
            pkgs.go-task
            pkgs.nix
            pkgs.openssh
            pkgs.pnpm
            pkgs.python3
            pkgs.twine
            pkgs.uv
            pkgs.yarn
          ]
          ++ lib.optionals pkgs.stdenv.hostPlatform.isLinux [
            pkgs.nginx
            pkgs.postgresql
            pkgs.strace
          ];
          shellHook = "echo 'install-checkout fills node_modules; npm start serves'";
        };

      module =
        {
          config,
          lib,
          pkgs,
          ...
        }:
        let
          inherit (lib) mkOption types;
          cfg = config.services.depot;
          toml = pkgs.formats.toml { };
          stateDir = "/var/lib/depot";
          address = cfg.settings.listen-addr;
          port = lib.toInt (lib.last (lib.splitString ":" address));
          isLoopback = builtins.any (host: lib.hasPrefix host address) [
            "127."
            "localhost:"
            "[::1]:"
          ];
          # systemd hands secret keys over, so that they may belong to root alone.
          keys = lib.imap1 (number: file: {
            name = "signing-${toString number}.key";
            inherit file;
          }) (lib.toList (cfg.settings.private-key or [ ]));
          settings =
            cfg.settings
            // lib.optionalAttrs (keys != [ ]) {
              private-key = map ({ name, ... }: "/run/credentials/depot.service/${name}") keys;
            }
            // lib.optionalAttrs (cfg.authFile != null) { auth-file = "${cfg.authFile}"; };
        in
        {
          options.services.depot = {
            enable = lib.mkEnableOption "Depot, a server of Nix store paths, npm packages and Python distributions";
            package = mkOption {
              type = types.package;
              default = self.packages.${pkgs.stdenv.hostPlatform.system}.default;
              defaultText = lib.literalExpression "depot.packages.\${system}.default";
              description = "The Depot to run.";
            };
            settings = mkOption {
              default = { };
              description = "The configuration file: keys are the flags of `depot serve` without the dashes.";
              type = types.submodule {
                freeformType = toml.type;
                options.listen-addr = mkOption {
                  type = types.str;
                  default = "127.0.0.1:8080";
                  example = ":8080";
                  description = "Where to listen, `HOST:PORT`; without a host on every address.";
                };
                options.store-path = mkOption {
                  type = types.path;
                  default = stateDir;
                  description = "Folder of the data.";
                };
              };
            };
            authFile = mkOption {
              type = types.nullOr types.path;
              default = null;
              example = "/etc/depot/auth.keys";
              description = "SSH public keys that may read or write. Without it everyone may, on loopback only.";
            };
            environmentFile = mkOption {
              type = types.nullOr types.path;
              default = null;
              example = "/run/secrets/depot.env";
              description = "File of `NAME=value` lines for what is secret, such as `DEPOT_DATABASE_URL`.";
            };
            openFirewall = mkOption {
              type = types.bool;
              default = false;
              description = "Whether to open the port of `settings.listen-addr`.";
            };
          };

          config = lib.mkIf cfg.enable {
            assertions = [
              {
                assertion = isLoopback || settings ? auth-file || settings.insecure-open or false;
                message = "services.depot listens on ${address}: set services.depot.authFile, or settings.insecure-open = true to let everyone write.";
              }
            ];
            environment.systemPackages = [ cfg.package ];
            networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall [ port ];
            users.users.depot = {
              isSystemUser = true;
              group = "depot";
              home = stateDir;
            };
            users.groups.depot = { };
            # What `depot systemd-unit` prints, but for the user.
            systemd.services.depot = {
              description = "Depot, one server for Nix store paths, npm packages and Python distributions";
              wantedBy = [ "multi-user.target" ];
              wants = [ "network-online.target" ];
              after = [ "network-online.target" ];
              serviceConfig = {
                ExecStart = "${lib.getExe cfg.package} serve --config ${toml.generate "depot.toml" settings}";
                Type = "exec";
                User = "depot";
                Group = "depot";
                StateDirectory = "depot";
                StateDirectoryMode = "0700";
                Restart = "on-failure";
                RestartSec = 2;
                # The parent ends its workers itself, one after the other.
                KillMode = "mixed";
                # A worker that took too much memory is replaced.
                OOMPolicy = "continue";
                TimeoutStopSec = (cfg.settings.shutdown-grace or 120) + 15;
                LimitNOFILE = 65536;
                UMask = "0077";
                AmbientCapabilities = if port < 1024 then "CAP_NET_BIND_SERVICE" else "";
                CapabilityBoundingSet = if port < 1024 then "CAP_NET_BIND_SERVICE" else "";
                ProtectHome = true;
                ProtectSystem = "strict";
                PrivateTmp = true;
                PrivateDevices = true;
                NoNewPrivileges = true;
                ProtectKernelTunables = true;
                ProtectKernelModules = true;
                ProtectKernelLogs = true;
                ProtectControlGroups = true;
                ProtectClock = true;
                ProtectHostname = true;
                ProtectProc = "invisible";
                RestrictAddressFamilies = "AF_INET AF_INET6 AF_UNIX AF_NETLINK";
                RestrictNamespaces = true;
                RestrictRealtime = true;
                RestrictSUIDSGID = true;
                RemoveIPC = true;
                LockPersonality = true;
                SystemCallArchitectures = "native";
                SystemCallFilter = [
                  "@system-service"
                  "~@privileged @resources"
                ];
                SystemCallErrorNumber = "EPERM";
              }
              # Without an auth file the signal would end the server.
              // lib.optionalAttrs (settings ? auth-file) { ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID"; }
              // lib.optionalAttrs (keys != [ ]) { LoadCredential = map ({ name, file }: "${name}:${file}") keys; }
              // lib.optionalAttrs (cfg.environmentFile != null) { EnvironmentFile = cfg.environmentFile; }
              // lib.optionalAttrs (cfg.settings.store-path != stateDir) { ReadWritePaths = [ cfg.settings.store-path ]; };
            };
          };
        };
    in
    {
      packages = eachSystem (
        pkgs:
        let
          depot = pkgs.callPackage package { };
          container = pkgs.callPackage image { inherit depot; };
        in
        {
          inherit depot;
          default = depot;
        }
        // lib.optionalAttrs pkgs.stdenv.hostPlatform.isLinux {
          image = container;
          docker-image = container;
        }
      );

      apps = eachSystem (pkgs: {
        default = {
          type = "app";
          program = lib.getExe self.packages.${pkgs.stdenv.hostPlatform.system}.depot;
          meta.description = manifest.description;
        };
      });

      devShells = eachSystem (pkgs: {
        default = pkgs.callPackage shell { };
      });

      checks = eachSystem (
        pkgs:
        let
          inherit (self.packages.${pkgs.stdenv.hostPlatform.system}) depot;
        in
        {
          inherit depot;
          starts = pkgs.callPackage starts { inherit depot; };
        }
      );

      overlays.default = final: _: { depot = final.callPackage package { }; };
      nixosModules.default = module;

      # For whoever packages another lock file that names no server.
      lib = { inherit buildLock withAddress; };
    };
}
