# bash completion for mptcpize. It asks mptcpize itself, so new options need no new script.

_mptcpize() {
	local line=${COMP_LINE:0:COMP_POINT} current word lead kind index
	local -a words answer
	COMPREPLY=()
	# Not COMP_WORDS: those are split at = : and @ too, which unit names and values hold.
	read -ra words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=("")
	current=${words[-1]}
	mapfile -t answer < <("${words[0]}" complete -- "${words[@]:1}" 2>/dev/null)
	kind=${answer[0]:-}
	case $kind in
	program\ *)
		index=${kind#program }
		if declare -F _command_offset >/dev/null; then
			while [[ ${COMP_WORDS[index]-} && ${COMP_WORDS[index]} != "${words[${kind#program }]}" ]]; do
				index=$((index + 1))
			done
			_command_offset "$index"
		else
			mapfile -t COMPREPLY < <(compgen -c -- "$current")
		fi
		return
		;;
	files | directories)
		compopt -o filenames 2>/dev/null
		if [[ $kind == files ]]; then
			mapfile -t COMPREPLY < <(compgen -f -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -d -- "$current")
		fi
		return
		;;
	esac
	# bash replaces only what stands behind the last of those characters.
	word=${COMP_WORDS[COMP_CWORD]-}
	[[ $word != [=:@] ]] || word=
	lead=${current%"$word"}
	for word in "${answer[@]:1}"; do
		word=${word%%$'\t'*}
		[[ $word != "$current"* ]] || COMPREPLY+=("${word#"$lead"}")
	done
	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -F _mptcpize mptcpize
