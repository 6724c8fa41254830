# For Nix: nix-build -E 'with import <nixpkgs> {}; callPackage ./scripts/packaging/mptcpize.nix {}'
# The library is written out by `mptcpize run` itself: NixOS has no directory that ld.so's $LIB would lead to.
{ lib, rustPlatform, gzip }:

rustPlatform.buildRustPackage {
  pname = "mptcpize-rs";
  version = "0.1.0";

  src = lib.cleanSource ../..;
  cargoLock.lockFile = ../../Cargo.lock;
  cargoBuildFlags = [ "-p" "mptcpize" "-p" "mptcpize-relay" ];

  # They make network namespaces and boot machines.
  doCheck = false;
  # cargo strips the programs, and the library is compared byte by byte with the one inside of mptcpize.
  dontStrip = true;

  nativeBuildInputs = [ gzip ];

  installPhase = ''
    runHook preInstall
    patchShebangs scripts/install
    scripts/install --binary "$(find target -path '*/release/mptcpize' -type f | head -n 1)" \
      --prefix "$out" --sysconf "$out/etc" --doc mptcpize /
    runHook postInstall
  '';

  meta = {
    description = "Run any program over Multipath TCP, over every link the host has";
    homepage = "https://github.com/mptcpize/mptcpize";
    license = with lib.licenses; [ mit asl20 ];
    platforms = lib.platforms.linux;
    mainProgram = "mptcpize";
  };
}
