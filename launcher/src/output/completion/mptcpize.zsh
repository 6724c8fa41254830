#compdef mptcpize
# zsh completion for mptcpize. It asks mptcpize itself, so new options need no new script.

_mptcpize() {
	local line word help
	local -a answer shown
	answer=("${(@f)$(${words[1]} complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	case ${answer[1]} in
	program\ *)
		local index=${answer[1]#program }
		shift $index words
		((CURRENT -= index))
		_normal
		;;
	files) _files ;;
	directories) _files -/ ;;
	*)
		for line in "${(@)answer[2,-1]}"; do
			[[ -n $line ]] || continue
			word=${line%%$'\t'*}
			help=${line#*$'\t'}
			shown+=("${word//:/\\:}:$help")
		done
		_describe mptcpize shown
		;;
	esac
}

# Sourced, it registers itself; found in fpath, it is the function.
if [[ $funcstack[1] == _mptcpize ]]; then
	_mptcpize "$@"
else
	compdef _mptcpize mptcpize
fi
